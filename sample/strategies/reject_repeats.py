"""Sequential sampling that looks for a new answer: repeats are rejected and drawn again."""

from dataclasses import dataclass, replace
from typing import Any

from sample.config import need
from sample.engines.base import Message
from sample.records import Attempt
from sample.strategies import sequential
from sample.strategies.base import Chain


@dataclass(frozen=True)
class Options(sequential.Options):
    """redraws: most draws of an attempt beside its first."""

    redraws: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.redraws >= 1, "redraws", "1 or more", self.redraws)


async def reject_repeats(chain: Chain) -> None:
    """Sequential, but an answer that its chain has given before is drawn again.

    After ``redraws`` draws the last one stands, repeat or not. All draws are in its record and all
    are paid for. Answers are compared in their canonical form; an attempt without one is no repeat.
    """
    given: set[str] = set()

    async def attempt(step: int, messages: list[Message], **how: Any) -> Attempt:
        how |= {"redraws": chain.options.redraws, "unwanted": lambda draw: draw.canonical in given}
        made = await chain.attempt(step, messages, **how)
        if made.canonical is not None:
            given.add(made.canonical)
        return made

    await sequential.refine(replace(chain, attempt=attempt), chain.steps)
