"""Control of exposure (H3): a history of answers that cannot be meant for this problem."""

from dataclasses import dataclass

from sample.strategies.base import Chain, PartnerArm
from sample.strategies.reanswer import Reanswer
from sample.strategies.shown import show


@dataclass(frozen=True)
class Options(Reanswer):
    """pool: the arm whose answers to the partner problem are shown."""

    pool: PartnerArm = "parallel"


async def other_problems(chain: Chain) -> None:
    """Attempt k sees answers 1..k-1 of the arm ``pool`` to another problem of the family.

    Problems of a family are partners in pairs, in the order of the problem set (see
    ``sample.bundles``).
    """
    pool = await chain.partners(chain.options.pool)
    await show(chain, [other.text for other in pool], of=pool)
