"""The servers of one model behind OpenAI-compatible addresses.

Retries with jitter and ``Retry-After`` are those of the ``openai`` client. Its transport is
aiohttp's: httpx looks through all its connections at every request.
"""

import asyncio
import os
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from sample.engines.base import Message
from sample.engines.replies import Unanswered
from sample.engines.tries import STALLED, TRIES, CountingClient, Tries
from sample.errors import ForageError, UsageError, one_line
from sample.models import OpenAIModel

try:
    import openai

    from sample.engines.api_errors import judge, unreachable
except ImportError as error:
    raise UsageError(
        f"engine openai needs the package openai ({error}): pip install -e '.[openai]'"
    ) from None

_ASKED = ("/chat/completions", "messages")
_CONTINUED = ("/completions", "prompt")
LONGEST_WAIT = 120
"""Seconds that the client waits at most before a retry, if the server asks for it."""


@dataclass(eq=False)
class _Server:
    """live: requests under way there."""

    url: str
    client: openai.AsyncOpenAI
    live: int = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        self.live += 1
        try:
            yield
        finally:
            self.live -= 1


class Endpoints:
    """
    Raises:
        UsageError: the environment variable with the key is not set.
    """

    def __init__(self, model: OpenAIModel) -> None:
        self._model, self._key = model, _key(model)
        timeout = openai.Timeout(model.timeout, connect=min(10, model.timeout))
        self._servers = [
            _Server(url, openai.AsyncOpenAI(
                api_key=self._key, base_url=url, timeout=timeout, max_retries=model.retries,
                http_client=CountingClient(timeout=timeout),
            ))
            for url in model.urls
        ]  # fmt: skip
        self._homes: dict[str, _Server] = {}
        self._answered = False

    async def close(self) -> None:
        for server in self._servers:
            await server.client.close()

    async def ask(
        self, name: str, problem: str, prompt: list[Message] | list[int], body: dict[str, Any]
    ) -> str:
        """The body of the reply, from the problem's own server or else one that can be reached.

        prompt: a conversation, or the ids of one with a turn begun.

        Raises:
            Unanswered: this call failed for good.
            ForageError: all others will fail too.
        """
        # Not client.chat.completions.create: it walks over every message by its type annotations.
        path, key = _CONTINUED if isinstance(prompt[0], int) else _ASKED
        whole = {"model": name, key: prompt, **body}
        servers = self._in_order(problem)
        for server in servers:
            try:
                with server.busy():
                    call = server.client.post(path, body=whole, cast_to=str)
                    reply = await self._patiently(call)
                self._answered = True
                return reply
            except openai.OpenAIError as error:
                lost = isinstance(error, openai.APIConnectionError) and unreachable(error)
                if not lost or server is servers[-1]:
                    self._refuse(error, server.url)
        raise AssertionError("a model has at least one server")

    async def _patiently(self, call: Awaitable[str]) -> str:
        timeout, retries = self._model.timeout, self._model.retries
        # A reply that trickles never times out by itself.
        patience = timeout * (1 + min(retries, STALLED)) + LONGEST_WAIT * (1 + retries)
        try:
            async with asyncio.timeout(patience) as scope:
                tries = Tries(scope)
                before = TRIES.set(tries)
                try:
                    return await call
                finally:
                    TRIES.reset(before)
        except TimeoutError:
            what = f"no whole reply of {timeout:g} s a try, or {patience:.0f} s in all"
            raise Unanswered("timeout", f"{what}; {tries.made} tries") from None

    def _in_order(self, problem: str) -> list[_Server]:
        """The server of a problem first, the others after it, the idlest first."""
        idlest = sorted(self._servers, key=lambda server: server.live)
        home = self._homes.setdefault(problem, idlest[0])
        return [home, *(server for server in idlest if server is not home)]

    def _refuse(self, error: openai.OpenAIError, url: str) -> NoReturn:
        try:
            failure = judge(error, url, self._answered)
        except ForageError as fatal:
            raise type(fatal)(self.without_key(str(fatal))) from error
        raise Unanswered(failure.type, failure.message) from error

    def without_key(self, message: str) -> str:
        """The message of a server, which may repeat the key."""
        return message.replace(self._key, "***") if self._model.key else message

    async def require(self, name: str) -> None:
        """Ask every server for its models, which costs no tokens.

        Raises:
            UsageError: one of them has no model of that name.
            ForageError: one cannot be reached, or refuses the key.
        """
        for server in self._servers:
            try:
                served = [model.id async for model in server.client.models.list()]
            except openai.OpenAIError as error:
                reason = self.without_key(one_line(error, 200))
                raise ForageError(f"{server.url}/models does not answer: {reason}") from None
            if not any(known == name or known.endswith(f"/{name}") for known in served):
                known = ", ".join(sorted(served)[:8]) or "none"
                raise UsageError(f"{server.url} has no model {name!r}; it has: {known}")

    async def load_adapter(self, name: str, path: str) -> None:
        """Have every server, of vLLM, load a LoRA folder under a name.

        Raises:
            UsageError: one cannot.
        """
        body = {"lora_name": name, "lora_path": path}
        for server in self._servers:
            try:
                await server.client.post("/load_lora_adapter", body=body, cast_to=object)
            except openai.OpenAIError as error:
                # Under the same name stands the same content: the name is a hash.
                if "already been loaded" not in str(error):
                    raise UsageError(
                        f"adapter {path}: {server.url} does not load it "
                        f"({self.without_key(one_line(error, 200))}); start "
                        "vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True where "
                        "it can read this folder, or serve it by --lora-modules NAME=PATH and "
                        "give NAME as path"
                    ) from error

    async def drop_adapter(self, name: str) -> None:
        """Have every server, of vLLM, forget an adapter that ``load_adapter`` gave it."""
        for server in self._servers:
            body = {"lora_name": name}
            with suppress(openai.OpenAIError):  # it may have been restarted since
                await server.client.post("/unload_lora_adapter", body=body, cast_to=object)

    async def context(self, name: str) -> int:
        """Tokens of prompt and generation together that the vLLM servers take for a model.

        Raises:
            UsageError: a server that cannot be reached, or does not serve the model.
        """
        lengths = []
        for server in self._servers:
            try:
                served: Any = await server.client.get("/models", cast_to=object)
            except openai.OpenAIError as error:
                raise UsageError(
                    f"{server.url}: no vLLM server answers ({one_line(error, 200)}); start it, "
                    "or correct the address"
                ) from error
            found = {one["id"]: one.get("max_model_len") for one in served["data"]}
            if not isinstance(found.get(name), int):
                known = ", ".join(found)
                raise UsageError(f"{server.url}: a vLLM server of {name!r} is expected ({known})")
            lengths.append(found[name])
        return min(lengths)

    def count_tokens(self, name: str, messages: list[Message], options: dict[str, Any]) -> int:
        """Tokens of a prompt, as a vLLM server renders it with these options of its template.

        Raises:
            ForageError: it does not say.
        """
        root = self._servers[0].url.rstrip("/").removesuffix("/v1")
        body = {"model": name, "messages": messages, "chat_template_kwargs": options}
        with openai.OpenAI(api_key=self._key, base_url=root, timeout=60) as client:
            try:
                counted: Any = client.post("/tokenize", body=body, cast_to=object)
                return int(counted["count"])
            except (openai.OpenAIError, KeyError, TypeError, ValueError) as error:
                reason = self.without_key(one_line(error, 200))
                raise ForageError(
                    f"{root}/tokenize does not count prompts ({reason}); "
                    "give tokenizer: a folder or Hub id with the same template"
                ) from None


def _key(model: OpenAIModel) -> str:
    if model.key is None:
        return "none"
    key = os.environ.get(model.key, "").strip()
    if not key:
        raise UsageError(
            f"model {model.model!r}: the environment variable {model.key} is not set; "
            f"export {model.key}=... with the API key"
        )
    return key
