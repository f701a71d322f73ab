"""Replies of OpenAI-compatible servers, in the spellings that servers use for the same thing."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from sample.records import Failure

FINISHES = {"stop": "stop", "eos": "stop", "length": "length", "max_tokens": "length"}


class Unanswered(Exception):
    """A call that gave no generation. wait: seconds that the server asks to leave it alone for."""

    def __init__(self, kind: str, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.failure, self.wait = Failure(kind, message), wait


@dataclass(frozen=True)
class Usage:
    """Tokens. generated: thinking and answer. cached, reasoning: None = the server does not say."""

    prompt: int
    cached: int | None
    generated: int
    reasoning: int | None


@dataclass(frozen=True)
class Reply:
    """thinking: what stands in a field of its own. content: the rest, perhaps with tags.

    finish: "stop" or "length". tokens: the generated ids, where the server gives them; stopped:
    whether the last of them is a stop token. model, fingerprint: as in ``Served``.
    """

    thinking: str
    content: str
    finish: str
    usage: Usage
    tokens: list[int] | None
    stopped: bool
    model: str | None = None
    fingerprint: str | None = None


def read_reply(body: bytes) -> Reply:
    """The reply in a response body.

    Raises:
        Unanswered: "bad_reply" (not JSON or no generation in it), "no_usage" or "content_filter".
    """
    data = _parsed(body)
    choice = _first_choice(data)
    finish = _finish(choice)
    message = {"content": choice["text"]} if "text" in choice else choice.get("message")
    if not isinstance(message, dict):
        raise Unanswered("bad_reply", f"no message in {_shown(choice)}")
    tokens = choice.get("token_ids")
    return Reply(
        _text(message, "reasoning_content") or _text(message, "reasoning"),
        _text(message, "content"),
        finish,
        _usage(data),
        tokens if isinstance(tokens, list) else None,
        finish == "stop" and not isinstance(choice.get("stop_reason"), str),
        _name(data, "model"),
        _name(data, "system_fingerprint"),
    )


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = _read(body)
    except ValueError:
        raise Unanswered("bad_reply", f"not JSON: {_shown(str(body, errors='replace'))}") from None
    if not isinstance(data, dict) or data.get("error"):
        raise Unanswered("bad_reply", f"no generation: {_shown(data)}")
    return data


def _read(body: bytes) -> Any:
    """
    Raises:
        ValueError: no JSON.
    """
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(body)  # which takes half a surrogate pair, and NaN


def _first_choice(data: dict[str, Any]) -> dict[str, Any]:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise Unanswered("bad_reply", f"no choices: {_shown(data)}")
    return choices[0]


def _finish(choice: dict[str, Any]) -> str:
    reason = str(choice.get("finish_reason")).lower()
    if reason in FINISHES:
        return FINISHES[reason]
    kind = "content_filter" if reason.startswith("content_filter") else "bad_reply"
    raise Unanswered(kind, f"finish_reason {choice.get('finish_reason')!r}")


def _text(message: dict[str, Any], key: str) -> str:
    value = message.get(key)
    if value is not None and not isinstance(value, str):
        raise Unanswered("bad_reply", f"{key} is not a text: {_shown(value)}")
    return value or ""


def _name(data: dict[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


def _usage(data: dict[str, Any]) -> Usage:
    usage = data.get("usage")
    if not isinstance(usage, dict):
        raise Unanswered("no_usage", f"no usage: {_shown(data)}")
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if prompt is None or completion is None:
        raise Unanswered("no_usage", f"no token counts in usage: {_shown(usage)}")
    # Some servers leave thinking out of completion_tokens; total_tokens has it everywhere.
    generated = max(completion, (_count(usage, "total_tokens") or 0) - prompt)
    hidden = generated - completion
    return Usage(prompt, _cached(usage), generated, _reasoning(usage) or hidden or None)


def _cached(usage: dict[str, Any]) -> int | None:
    """OpenAI's and vLLM's spelling, then DeepSeek's."""
    inside = _count(_details(usage, "prompt_tokens_details"), "cached_tokens")
    return inside if inside is not None else _count(usage, "prompt_cache_hit_tokens")


def _reasoning(usage: dict[str, Any]) -> int | None:
    """OpenAI's and vLLM's spelling, then SGLang's."""
    inside = _count(_details(usage, "completion_tokens_details"), "reasoning_tokens")
    return inside if inside is not None else _count(usage, "reasoning_tokens")


def _details(usage: dict[str, Any], key: str) -> dict[str, Any]:
    details = usage.get(key)
    return details if isinstance(details, dict) else {}


def _count(counts: dict[str, Any], key: str) -> int | None:
    value = counts.get(key)
    return value if isinstance(value, int) and value >= 0 else None


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(text.split())
