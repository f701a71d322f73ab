"""Control of exposure (H3): what copying would gain if the history were right."""

from sample.strategies.base import Chain
from sample.strategies.shown import show, skip_all


async def correct(chain: Chain) -> None:
    """Attempt k sees k - 1 turns that each hold the problem's gold answer, or a right program.

    A problem without either (only tests, say) is skipped; analysis leaves it out.
    """
    gold = chain.problem.answer or chain.problem.metadata.get("solution", "")
    if gold.strip():
        await show(chain, [gold] * chain.attempts)
    else:
        skip_all(chain, "the problem has no gold answer")
