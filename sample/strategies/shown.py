"""A given history instead of the chain's own: the common part of the controls of exposure (H3)."""

import asyncio
from collections.abc import Sequence

from sample.prompts import conversation
from sample.records import Attempt
from sample.strategies.base import Chain


async def show(chain: Chain, answers: Sequence[str], of: Sequence[Attempt] = ()) -> None:
    """Attempt k sees the first k - 1 of these answers; the re-answer prompt is the chain's.

    of: the attempts that gave them, if any did.
    """

    async def attempt(step: int) -> None:
        messages = conversation(chain.problem.question, answers[: step - 1], chain.options.prompt)
        await chain.attempt(step, messages, rests_on=of[: step - 1])

    await asyncio.gather(*(attempt(step) for step in chain.steps))


def skip_all(chain: Chain, reason: str) -> None:
    """Record that this problem does not allow the control; no attempt is made."""
    for step in chain.steps:
        chain.skip(step, reason)
