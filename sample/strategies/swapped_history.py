"""Control of exposure (H3): a history of the same form, but of answers the chain did not give."""

from dataclasses import dataclass

from sample.strategies.base import Arm, Chain
from sample.strategies.reanswer import Reanswer
from sample.strategies.shown import show


@dataclass(frozen=True)
class Options(Reanswer):
    """pool: the arm whose answers are shown."""

    pool: Arm = "parallel"


async def swapped_history(chain: Chain) -> None:
    """Attempt k sees answers 1..k-1 of the arm ``pool`` instead of its chain's own."""
    pool = await chain.others(chain.options.pool)
    await show(chain, [other.text for other in pool], of=pool)
