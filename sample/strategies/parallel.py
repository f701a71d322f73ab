"""Parallel sampling: the arm that every other is compared with."""

import asyncio
from collections.abc import Iterable, Sequence

from sample.engines.base import Message
from sample.prompts import user
from sample.records import Attempt
from sample.strategies.base import Chain


async def parallel(chain: Chain) -> None:
    """Every attempt is made from the bare question, at the same time."""
    await at_once(chain, chain.steps, user(chain.problem.question))


async def at_once(
    chain: Chain, steps: Iterable[int], messages: list[Message], rests_on: Sequence[Attempt] = ()
) -> list[Attempt]:
    """The steps side by side, all from the same messages."""
    made = (chain.attempt(step, messages, rests_on=rests_on) for step in steps)
    return await asyncio.gather(*made)
