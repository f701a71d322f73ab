"""What an error that a server answers with means: a failed attempt, or the end of the run."""

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from sample.engines.replies import Unanswered
from sample.errors import ForageError, UsageError, one_line
from sample.records import Failure

_TYPES = {
    401: "refused_key",
    403: "refused_key",
    404: "not_found",
    408: "server_error",
    409: "server_error",
    429: "rate_limit",
}
_OVERFLOW = re.compile(
    r"context (length|window)|context_length_exceeded|maximum (input )?(length|number of tokens)"
    r"|(input|prompt|max_tokens).{0,40} (too (long|large)|exceeds)",
    re.IGNORECASE,
)
_NO_QUOTA = "insufficient_quota"


def refusal(
    status: int, body: str, headers: Mapping[str, str], masked: Callable[[str], str]
) -> Unanswered:
    """What to raise for an answer with this status. Its failure has a type of
    ``OpenAIEngine.generate``, or "insufficient_quota", which ``end_run`` knows.

    masked: takes secrets out of a text, before it is cut, which may leave a part of one.
    """
    said, code = _said(body)
    text = one_line(masked(f"HTTP {status}: {said}"))
    wait = _wait_asked(headers)
    if code == _NO_QUOTA:
        return Unanswered(_NO_QUOTA, text, wait)
    kind = _TYPES.get(status, "bad_request" if 400 <= status < 500 else "server_error")
    if kind == "bad_request" and _OVERFLOW.search(said):
        kind = "context_overflow"
    return Unanswered(kind, text, wait)


def end_run(failure: Failure, url: str, answered: bool) -> None:
    """
    answered: whether any request has been answered yet; what goes wrong before goes wrong for all
    others too, what does so later may pass.

    Raises:
        UsageError: wrong key, model, address or parameters.
        ForageError: the server cannot be reached, or the account is exhausted.
    """
    text = failure.message
    if failure.type == _NO_QUOTA:
        raise ForageError(f"{url}: {text}; the same command goes on from here")
    if answered:
        return
    match failure.type:
        case "refused_key":
            raise UsageError(f"{url} refuses the key: {text}; set the variable that key names")
        case "not_found":
            raise UsageError(f"{url} has no such model or address: {text}; check model and urls")
        case "bad_request":
            raise UsageError(f"{url} refuses the request: {text}; see server and extra_body")
        case "unreachable":
            raise ForageError(
                f"{url} cannot be reached ({text}); start the server and give the same command "
                "again to go on from here"
            )


def _said(body: str) -> tuple[str, Any]:
    """The message and the code in the body of an error, in the spellings of several servers."""
    try:
        data = msgspec.json.decode(body)
    except ValueError:
        return body, None
    if isinstance(data, list) and data:
        data = data[0]  # Gemini's
    error = data.get("error", data) if isinstance(data, dict) else data
    if not isinstance(error, dict):
        return str(error), None
    return str(error.get("message") or error.get("detail") or error), error.get("code")


def _wait_asked(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = _seconds(headers.get(name, "")) / unit
        except ValueError:
            continue
        if seconds > 0:
            return seconds
    return None


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()
