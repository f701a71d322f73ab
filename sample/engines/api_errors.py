"""What an error of the ``openai`` client means: a failed attempt, or the end of the run."""

import re

import aiohttp
import openai

from sample.errors import ForageError, UsageError, one_line
from sample.records import Failure

_OVERFLOW = re.compile(
    r"context (length|window)|context_length_exceeded|maximum (input )?(length|number of tokens)"
    r"|(input|prompt|max_tokens).{0,40} (too (long|large)|exceeds)",
    re.IGNORECASE,
)
_UNREACHABLE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


def judge(error: openai.OpenAIError, url: str, answered: bool) -> Failure:
    """The failure that the record of the attempt shows.

    answered: whether any request has been answered yet; what goes wrong before goes wrong for all
    others too, what does so later may pass.

    Raises:
        UsageError: wrong key, model, address or parameters.
        ForageError: the server cannot be reached, or the account is exhausted.
    """
    text = one_line(error)
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            if answered:
                return Failure("refused_key", text)
            raise UsageError(f"{url} refuses the key: {text}; set the variable that key names")
        case openai.NotFoundError():
            if answered:
                return Failure("not_found", text)
            raise UsageError(f"{url} has no such model or address: {text}; check model and urls")
        case openai.BadRequestError() | openai.UnprocessableEntityError():
            return _refused(text, url, answered)
        case openai.RateLimitError():
            if error.code == "insufficient_quota":
                raise ForageError(f"{url}: {text}; the same command goes on from here")
            return Failure("rate_limit", text)
        case openai.APIConnectionError():
            return _lost(error, text, url, answered)
        case openai.APIStatusError():
            return Failure("server_error", text)
    return Failure("bad_reply", text)


def _refused(text: str, url: str, answered: bool) -> Failure:
    if _OVERFLOW.search(text):
        return Failure("context_overflow", text)
    if not answered:
        raise UsageError(f"{url} refuses the request: {text}; see server and extra_body")
    return Failure("bad_request", text)


def _lost(error: openai.APIConnectionError, text: str, url: str, answered: bool) -> Failure:
    gone = unreachable(error)
    if gone and not answered:
        raise ForageError(
            f"{url} cannot be reached ({type(_cause(error)).__name__}); start the server and "
            "give the same command again to go on from here"
        )
    cause = _cause(error)
    reason = f"{type(cause).__name__}: {cause}" if cause is not None else text
    timed_out = isinstance(cause, TimeoutError)
    kind = "unreachable" if gone else "timeout" if timed_out else "connection"
    return Failure(kind, f"{text} ({reason})"[:300])


def unreachable(error: openai.APIConnectionError) -> bool:
    """Whether not even a connection came about, so that nothing was generated."""
    return isinstance(_cause(error), _UNREACHABLE)


def _cause(error: BaseException) -> BaseException | None:
    """The exception of aiohttp. Between it and the client's stands one of httpx, which calls a
    connection that the server closed a time-out in connecting."""
    cause = error.__cause__
    return cause and (cause.__cause__ or cause)
