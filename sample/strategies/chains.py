"""Hybrid of width and depth at one budget."""

import asyncio
from dataclasses import dataclass

from sample.config import need
from sample.strategies import sequential
from sample.strategies.base import Chain


@dataclass(frozen=True)
class Options(sequential.Options):
    """width: W, how many chains; it divides N, and each is N / W attempts deep."""

    width: int = 2

    def fit(self, attempts: int) -> None:
        divides = self.width >= 1 and attempts % self.width == 0
        need(divides, "width", f"a divisor of sample.attempts ({attempts})", self.width)


async def chains(chain: Chain) -> None:
    """W independent sequential chains of N / W attempts each share the budget of N.

    Steps 1..W are the first attempts of the W chains, W+1..2W the second ones, and so on: the
    first W * d attempts are what W chains of depth d would have made.
    """
    width = chain.options.width
    starts = range(width)
    await asyncio.gather(*(sequential.refine(chain, chain.steps[start::width]) for start in starts))
