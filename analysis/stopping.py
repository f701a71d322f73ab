"""When sampling may stop early, and what is decided then.

The problems are put in a random order once, by a hash that no outcome can move, and the contrast
is watched on the finished prefix of that order only: problems that end early are often easy ones.
Stopping on anything but these bounds (looking at p < alpha again and again) rejects a true null
four times as often as promised at ten looks.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.betting import confidence_sequence
from analysis.intervals import FEWEST_NON_ZERO, Interval
from analysis.looks import Looks, design
from analysis.statistic import Statistic
from analysis.stopping_rule import StoppingRule

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """answer: "gap" (above 0), "reversed" (below 0), "within margin" (not shown to be above 0,
    shown to be below the margin), or None = open; both "gap" and below the margin is "small gap".

    stop: decided, with all else that is watched, or no problems are left. used: problems at the
    look that decided, or the latest; look: which one it was, from 1; 0 = there was none.
    low, high: simultaneous over all looks, so right however the run ended; estimate: of the used
    problems; after an early stop it is biased away from 0, the interval is what to report.
    """

    answer: str | None
    stop: bool
    used: int
    look: int
    estimate: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        said = f"{100 * self.low:.1f} to {100 * self.high:.1f} points after {self.used} problems"
        if self.answer:
            return f"Decided: {self.answer}; the gap is {said}."
        ending = "no problems are left" if self.stop else "go on"
        return f"Not decided ({ending}): the gap is {said}."


def monitoring_order(problems: Iterable[str], seed: int) -> list[str]:
    """The order in which to sample and watch problems: by a seeded hash of their ids."""
    return sorted(problems, key=lambda p: hashlib.blake2b(f"{seed} {p}".encode()).digest())


def decide(
    gap: Statistic,
    rule: StoppingRule,
    complete: bool = False,
    settled: Callable[[int, int], bool] = lambda look, used: True,
) -> Decision:
    """What the finished prefix decides.

    gap: the contrast with its problems in the order of ``monitoring_order``; the watched prefix
    ends at the first problem without a value. A problem that will never have a value (not graded)
    must be taken out before. complete: no further problem will come. settled: whether all else that
    is watched is decided too at a look (from 1) at so many problems.
    """
    finished = int(np.logical_and.accumulate(gap.known).sum())
    values = gap.values[: min(finished, rule.problems)]
    looks = rule.reached(len(values), complete)
    both = _intervals(values, gap, rule, rule.alpha, looks)
    single = _intervals(values, gap, rule, 2 * rule.alpha, looks)
    latest = Decision(None, complete, 0, 0, math.nan, gap.low, gap.high)
    for (look, used), (low, high), (_, upper) in zip(looks, both, single, strict=True):
        answer = _answer(low, high, rule.margin, upper)
        decided = answer is not None and settled(look + 1, used)
        stop = decided or complete or used == rule.problems
        latest = Decision(answer, stop, used, look + 1, float(values[:used].mean()), low, high)
        if decided:
            break
    return latest


def repeated_interval(contrast: Statistic, rule: StoppingRule, look: int, alpha: float) -> Interval:
    """The interval of any contrast at the look at which sampling stopped, from 1.

    It is simultaneous over the looks, so it covers whatever made them stop, the outcomes of another
    contrast included. contrast: of the problems at that look, in their order; without a value =
    left out. look 0: the whole range.
    """
    values = contrast.sample
    low, high = contrast.low, contrast.high
    if look and len(values):
        low, high = _intervals(values, contrast, rule, alpha, [(look - 1, len(values))])[0]
    return Interval(contrast.estimate, low, high, len(values), "repeated")


def _answer(low: float, high: float, margin: float, upper: float) -> str | None:
    """upper: the bound that is compared with the margin, one-sided at alpha."""
    if high < 0:
        return "reversed"
    if low > 0:
        return "small gap" if upper < margin else "gap"
    return "within margin" if upper < margin else None


def _intervals(
    values: Floats,
    of: Statistic,
    rule: StoppingRule,
    alpha: float,
    looks: Sequence[tuple[int, int]],
) -> list[tuple[float, float]]:
    """(low, high) at each (look, size), simultaneous over all looks.

    Repeated t intervals at the boundary of each look (Jennison and Turnbull 1989), or bets.
    """
    if not looks:
        return []
    if rule.method == "betting":
        found = confidence_sequence(values, of.low, of.high, alpha)
        return [(float(found.low[size - 1]), float(found.high[size - 1])) for _, size in looks]
    critical = _design(rule.looks, alpha).critical
    return [_repeated(values[:size], critical[look], of) for look, size in looks]


@lru_cache(maxsize=32)
def _design(looks: int, alpha: float) -> Looks:
    return design([k / looks for k in range(1, looks + 1)], alpha)


def _repeated(values: Floats, critical: float, of: Statistic) -> tuple[float, float]:
    """mean -/+ the t quantile with the tail of ``critical``; the whole range where t is wrong."""
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if sd < 1e-9 or np.count_nonzero(np.abs(values) > 1e-9) < FEWEST_NON_ZERO:
        return of.low, of.high
    quantile = -float(special.stdtrit(len(values) - 1, special.ndtr(-critical)))
    half, mean = quantile * sd / math.sqrt(len(values)), float(values.mean())
    return max(mean - half, of.low), min(mean + half, of.high)
