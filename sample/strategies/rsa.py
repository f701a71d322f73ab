"""Recursive self-aggregation, arXiv 2509.26626."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from sample.config import need
from sample.prompts import user
from sample.records import Attempt
from sample.strategies.base import Chain
from sample.strategies.candidates import candidates
from sample.strategies.parallel import at_once


@dataclass(frozen=True)
class Options:
    """
    population: P, attempts of a round; it divides N, and there are T = N / P rounds.
    subset: K, how many attempts of the round before each attempt aggregates.
    """

    population: int = 4
    subset: int = 2

    def __post_init__(self) -> None:
        legal = 1 <= self.subset <= self.population
        need(legal, "subset", f"1 to population ({self.population})", self.subset)

    def fit(self, attempts: int) -> None:
        divides = attempts % self.population == 0
        need(divides, "population", f"a divisor of sample.attempts ({attempts})", self.population)


async def rsa(chain: Chain) -> None:
    """P parallel attempts; in each later round, P attempts that each combine K of the last round.

    The K are drawn without replacement, anew for each attempt, and shown by their final answers.
    A vote over the last P attempts is the paper's answer.
    """
    size, question = chain.options.population, chain.problem.question
    made = await at_once(chain, chain.steps[:size], user(question))
    for start in range(size, chain.attempts, size):
        steps = chain.steps[start : start + size]
        made = await asyncio.gather(*(_combine(chain, step, made) for step in steps))


async def _combine(chain: Chain, step: int, population: Sequence[Attempt]) -> Attempt:
    drawn = random.Random(chain.seed("subset", step)).sample(population, chain.options.subset)
    messages = candidates(chain.problem.question, drawn)
    return await chain.attempt(step, messages, rests_on=drawn)
