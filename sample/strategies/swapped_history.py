"""Control of exposure (H3): a history of the same form, but of answers the chain did not give."""

import asyncio
from dataclasses import dataclass

from sample.prompts import conversation
from sample.strategies import sequential
from sample.strategies.base import Chain


@dataclass(frozen=True)
class Options(sequential.Options):
    """pool: the arm whose answers are shown. reanswer: as for sequential."""

    pool: str = "parallel"


async def swapped_history(chain: Chain) -> None:
    """Attempt k sees answers 1..k-1 of the arm ``pool`` instead of its chain's own."""
    answers = [other.text for other in await chain.others(chain.options.pool)]

    async def attempt(step: int) -> None:
        shown = answers[: step - 1]
        messages = conversation(chain.problem.question, shown, chain.options.prompt)
        await chain.attempt(step, messages)

    await asyncio.gather(*(attempt(step) for step in chain.steps))
