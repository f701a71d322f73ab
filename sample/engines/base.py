"""What a strategy asks of an engine, and what it gets back."""

from dataclasses import dataclass
from typing import Protocol

from sample.errors import UsageError
from sample.records import Failure, Ledger

Message = dict[str, str]
"""One chat turn: {"role": "user" | "assistant", "content": text}."""


def require_room(max_new_tokens: int, context: int) -> None:
    """
    Raises:
        UsageError: no prompt at all leaves so many tokens of the model's context.
    """
    if max_new_tokens >= context:
        raise UsageError(
            f"sample.decoding.max_new_tokens: expected less than the model's context of {context} "
            f"tokens, got {max_new_tokens}"
        )


@dataclass(frozen=True)
class Decoding:
    """Decoding settings, the same for every arm of a run. top_k 0 = off.

    min_p: tokens less probable than this share of the most probable one are not drawn
        (arXiv 2407.01082); 0 = off.
    thinking_budget: most tokens of thinking, after which its end is forced, so that an answer
    follows; a prefill counts in. None = no limit but max_new_tokens.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 64
    thinking_budget: int | None = None
    min_p: float = 0.0


@dataclass(frozen=True)
class Request:
    """prefill: thinking that the assistant's turn begins with and the model goes on from, without
    tags. An engine that cannot do this raises a UsageError if it is not empty, and so does one that
    cannot force the end of thinking, if decoding.thinking_budget is given.

    problem: id of the problem: what a server keeps together, and what an engine without a model
        answers by. No model sees it.
    """

    messages: list[Message]
    seed: int
    decoding: Decoding
    prefill: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Generation:
    """thinking, text: before and after ``</think>``; an unfinished trace has an empty text.

    A prefill is the beginning of ``thinking``; the ledger counts it with the prompt.
    """

    thinking: str
    text: str
    finish: str
    ledger: Ledger
    failure: Failure | None = None


@dataclass(frozen=True)
class Served:
    """What a server says that it answered with, and what it was asked for.

    model: its name there; gateways add dates or prefixes. fingerprint: of the weights and settings
    behind the name, as OpenAI's servers give it. None = it does not say.
    """

    asked: str
    model: str | None
    fingerprint: str | None


class Engine(Protocol):
    """Turns requests into generations, batching as it sees fit."""

    async def generate(self, request: Request) -> Generation: ...

    def count_prompt_tokens(self, messages: list[Message]) -> int: ...
