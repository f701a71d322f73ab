"""Calls to one server, made again where what went wrong may pass."""

import json
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from sample.engines.api_errors import refusal
from sample.engines.replies import Unanswered
from sample.errors import UsageError, one_line
from sample.models import OpenAIModel

try:
    import aiohttp
    import tenacity
except ImportError as error:
    raise UsageError(
        f"engine openai needs the packages aiohttp and tenacity ({error}): "
        "pip install -e '.[openai]'"
    ) from None

STALLED = 2
"""How often a call is made again after a time-out: a server may go on with each request that nobody
waits for any more, and bill it."""
LONGEST_WAIT = 120
"""Seconds before a call is made again, at most, if the server asks for a wait."""
_IDLE = 2
"""Seconds that an idle connection is kept: fewer than servers keep it, who would drop a request."""
_PASSING = frozenset({"timeout", "connection", "unreachable", "rate_limit", "server_error"})
_UNREACHABLE = (
    aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL, UnicodeError,
)  # fmt: skip
_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=16)


class Server:
    """url: the address of its API. live: calls under way there."""

    def __init__(self, url: str, model: OpenAIModel, key: str | None) -> None:
        self.url, self.live = url.rstrip("/"), 0
        self._model, self._key, self._proxy = model, key, _proxy(url)
        password = urlsplit(self._proxy or "").password
        self._secrets = [secret for secret in (key, password) if secret]

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        """Made by the first call, as it belongs to the event loop that runs then."""
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        limit, total = self._model.concurrency, self._model.timeout
        return aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=limit, keepalive_timeout=_IDLE),
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=min(10, total / 2)),
        )

    async def close(self) -> None:
        if "_session" in self.__dict__:
            await self._session.close()

    def masked(self, text: str) -> str:
        """A text of the server or the proxy, which may repeat the key or the password."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    async def call(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        """The answer to a POST of this body, or to a GET where there is none.

        Raises:
            Unanswered: it failed for good.
        """
        content = _written(body) if body else None
        self.live += 1
        try:
            return await self._once(path, content)
        except Unanswered as error:
            return await self._again(error, path, content)
        finally:
            self.live -= 1

    async def _again(self, first: Unanswered, path: str, content: bytes | None) -> bytes:
        """first: of the try before, which is made without tenacity, as that costs half a call."""
        stalled = 0

        def enough(state: tenacity.RetryCallState) -> bool:
            nonlocal stalled
            stalled += _error(state).failure.type == "timeout"
            return state.attempt_number > self._model.retries or stalled > STALLED

        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=enough,
            wait=_wait,
            retry_error_callback=_give_up,
        ):
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise first
                return await self._once(path, content)
        raise AssertionError("the last try returns or raises")

    async def _once(self, path: str, content: bytes | None) -> bytes:
        method, url = "POST" if content else "GET", self.url + path
        try:
            async with self._session.request(method, url, data=content, proxy=self._proxy) as reply:
                answer = await reply.read()
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            text = one_line(self.masked(f"{type(error).__name__}: {error}"))
            if isinstance(error, _UNREACHABLE):
                raise Unanswered("unreachable", text) from error
            if isinstance(error, TimeoutError):
                text = f"no whole reply in {self._model.timeout:g} s"
                raise Unanswered("timeout", text) from error
            raise Unanswered("connection", text) from error
        if reply.status >= 300:
            text = answer.decode(errors="replace")
            raise refusal(reply.status, text, reply.headers, self.masked)
        return answer


def _written(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # half a surrogate pair, which a server may have sent
        return json.dumps(body).encode()


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unanswered) and error.failure.type in _PASSING


def _error(state: tenacity.RetryCallState) -> Unanswered:
    error = state.outcome and state.outcome.exception()
    assert isinstance(error, Unanswered)
    return error


def _wait(state: tenacity.RetryCallState) -> float:
    asked = _error(state).wait
    return _backoff(state) if asked is None else min(asked, LONGEST_WAIT)


def _give_up(state: tenacity.RetryCallState) -> NoReturn:
    error, made = _error(state), state.attempt_number
    text = f"{error}; {made} tries" if made > 1 else str(error)
    raise Unanswered(error.failure.type, text) from error


def _proxy(url: str) -> str | None:
    """That of the environment. aiohttp's trust_env would look for it at every request, in a thread,
    and refuse the key where .netrc has a password for the server.

    Raises:
        UsageError: a proxy that does not speak HTTP.
    """
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_http(proxy):
        raise UsageError(
            f"{url}: {parts.scheme}_proxy is no address such as http://host:3128 (it may hold a "
            "password, so it is not repeated here); correct it, or put the server into no_proxy"
        )
    return proxy


def _is_http(address: str) -> bool:
    parts = urlsplit(address)
    try:
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port
        return False
