"""What a strategy is, and the chain it walks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sample.engines.base import Message
from sample.problems import Problem
from sample.records import Attempt


@dataclass(frozen=True)
class Chain:
    """One replicate of one arm on one problem, as its strategy sees it.

    attempts: N, how many attempts to make.
    options: the strategy's own options.
    attempt: (step, messages) -> the finished record of that step: the stored one if there is one,
        else a new one, generated, graded and stored.
    others: arm -> attempts 1..N of that arm on the same problem and replicate, once it is finished.
    count_tokens: messages -> tokens of their prompt.
    """

    problem: Problem
    attempts: int
    options: Any
    attempt: Callable[[int, list[Message]], Awaitable[Attempt]]
    others: Callable[[str], Awaitable[list[Attempt]]]
    count_tokens: Callable[[list[Message]], int]

    @property
    def steps(self) -> range:
        return range(1, self.attempts + 1)


@dataclass(frozen=True)
class Strategy:
    """A walk over a chain, the dataclass of its options, and which options name another arm."""

    walk: Callable[[Chain], Awaitable[None]]
    options: type
    needs: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        return (self.walk.__doc__ or "").strip().splitlines()[0]
