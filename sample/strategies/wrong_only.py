"""Control of exposure (H3): nothing but wrong answers in the history."""

from dataclasses import dataclass
from itertools import cycle, islice

from sample.strategies.base import Arm, Chain
from sample.strategies.reanswer import Reanswer
from sample.strategies.shown import show, skip_all


@dataclass(frozen=True)
class Options(Reanswer):
    """pool: the arm whose wrong answers are shown."""

    pool: Arm = "parallel"


async def wrong_only(chain: Chain) -> None:
    """Attempt k sees k - 1 wrong answers of the arm ``pool``, in turn, again and again if few.

    Where the pool holds no wrong answer the whole chain is skipped: a fall-back would be another
    treatment, given to the easy problems only. Analysis leaves skipped problems out.
    """
    pool = await chain.others(chain.options.pool)
    wrong = [other.text for other in pool if other.correct is False and other.text]
    if wrong:
        await show(chain, list(islice(cycle(wrong), chain.attempts)))
    else:
        skip_all(chain, f"arm {chain.options.pool} has no wrong answer to show")
