"""Parallel sampling: the arm that every other is compared with."""

import asyncio
from dataclasses import dataclass

from sample.prompts import conversation
from sample.strategies.base import Chain


@dataclass(frozen=True)
class Options:
    """No options."""


async def parallel(chain: Chain) -> None:
    """Every attempt is made from the bare question, at the same time."""
    messages = conversation(chain.problem.question, ())
    await asyncio.gather(*(chain.attempt(step, messages) for step in chain.steps))
