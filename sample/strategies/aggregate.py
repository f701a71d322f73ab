"""Aggregation by the model itself instead of by a vote, as in arXiv 2509.00084."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from sample.config import need
from sample.prompts import user
from sample.strategies import sequential
from sample.strategies.base import Chain
from sample.strategies.candidates import candidates
from sample.strategies.parallel import at_once


@dataclass(frozen=True)
class Options:
    """drafts: how the attempts to aggregate are made: parallel, or sequential (with its default
    options)."""

    drafts: Literal["parallel", "sequential"] = "parallel"

    def fit(self, attempts: int) -> None:
        need(attempts >= 2, "sample.attempts", "2 or more for aggregate", attempts)

    @property
    def least(self) -> tuple[int, int]:
        return 1, 1


async def aggregate(chain: Chain) -> None:
    """Attempt N sees the answers of attempts 1..N-1, made before, and writes the final one.

    Of a token budget max_new_tokens are kept for the final one; what it does not need is left over.
    """
    question, (*steps, final) = chain.problem.question, chain.steps
    drafting = replace(
        chain, attempt=partial(chain.attempt, closing=1), options=sequential.Options()
    )
    if chain.options.drafts == "sequential":
        drafts = await sequential.refine(drafting, steps)
    else:
        drafts = await at_once(drafting, steps, user(question))
    await chain.attempt(final, candidates(question, drafts), rests_on=drafts)
