"""When sampling may stop early, and what is decided then.

The problems are put in a random order once, by a hash that no outcome can move, and the contrast
is watched on the finished prefix of that order only: problems that end early are often easy ones.
Stopping on anything but these bounds (looking at p < alpha again and again) rejects a true null
four times as often as promised at ten looks.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.betting import confidence_sequence
from analysis.looks import Looks, design
from analysis.statistic import Statistic
from sample.errors import need

Floats = NDArray[np.float64]

METHODS = ("obrien-fleming", "betting")
_need = partial(need, of="stopping")


@dataclass(frozen=True)
class StoppingRule:
    """problems: the most that will be sampled; margin: largest gap that counts as none.

    method: "obrien-fleming" looks ``looks`` times, equally spaced, and costs almost no power;
    "betting" may look after every problem and holds for any law, at the price of power.
    alpha: error rate, over all looks together.
    """

    problems: int
    margin: float = 0.03
    alpha: float = 0.05
    method: str = "obrien-fleming"
    looks: int = 10

    def __post_init__(self) -> None:
        _need(0 < self.margin < 1, "margin", "a share between 0 and 1, e.g. 0.03", self.margin)
        _need(0 < self.alpha < 0.25, "alpha", "a number between 0 and 0.25", self.alpha)
        _need(self.method in METHODS, "method", f"one of {', '.join(METHODS)}", self.method)
        _need(1 <= self.looks <= 50, "looks", "1 to 50", self.looks)
        enough = self.problems >= 2 * self.looks
        _need(enough, "problems", f"at least 2 per look ({2 * self.looks})", self.problems)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of problems at which the rule looks."""
        if self.method == "betting":
            return tuple(range(1, self.problems + 1))
        return tuple(math.ceil(self.problems * k / self.looks) for k in range(1, self.looks + 1))

    def next_size(self, finished: int) -> int:
        """How many problems to have finished at the next look."""
        return next((size for size in self.sizes if size > finished), self.problems)


@dataclass(frozen=True)
class Decision:
    """answer: "gap" (above 0), "reversed" (below 0), "within margin" (not shown to be above 0,
    shown to be below the margin), or None = open; both "gap" and below the margin is "small gap".

    stop: decided, or no problems are left. used: problems at the look that decided, or the latest.
    low, high: simultaneous over all looks, so right however the run ended; estimate: of the used
    problems; after an early stop it is biased away from 0, the interval is what to report.
    """

    answer: str | None
    stop: bool
    used: int
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


def decide(gap: Statistic, rule: StoppingRule) -> Decision:
    """What the finished prefix decides.

    gap: the contrast with its problems in the order of ``monitoring_order``; the watched prefix
    ends at the first problem without a value. A problem that will never have a value (not graded)
    must be taken out before.
    """
    finished = int(np.logical_and.accumulate(gap.known).sum())
    values = gap.values[: min(finished, rule.problems)]
    bounds = _bets(values, gap, rule) if rule.method == "betting" else _looks(values, gap, rule)
    latest = Decision(None, False, 0, math.nan, gap.low, gap.high)
    for used, low, high, answer in bounds:
        mean = float(values[:used].mean())
        latest = Decision(answer, answer is not None, used, mean, low, high)
        if answer is not None:
            return latest
    over = latest.used == rule.problems
    return Decision(None, over, latest.used, latest.estimate, latest.low, latest.high)


def _answer(low: float, high: float, margin: float, upper: float) -> str | None:
    """upper: the bound that is compared with the margin, one-sided at alpha."""
    if high < 0:
        return "reversed"
    if low > 0:
        return "small gap" if upper < margin else "gap"
    return "within margin" if upper < margin else None


def _looks(
    values: Floats, gap: Statistic, rule: StoppingRule
) -> list[tuple[int, float, float, str | None]]:
    """Repeated t intervals at the boundary of each look (Jennison and Turnbull 1989)."""
    plans = _design(rule.looks, rule.alpha), _design(rule.looks, 2 * rule.alpha)
    found = []
    for look, size in enumerate(rule.sizes):
        if size > len(values):
            break
        low, high = _repeated(values[:size], plans[0].critical[look], gap)
        upper = _repeated(values[:size], plans[1].critical[look], gap)[1]
        found.append((size, low, high, _answer(low, high, rule.margin, upper)))
    return found


@lru_cache(maxsize=32)
def _design(looks: int, alpha: float) -> Looks:
    return design([k / looks for k in range(1, looks + 1)], alpha)


def _repeated(values: Floats, critical: float, gap: Statistic) -> tuple[float, float]:
    """mean -/+ the t quantile with the tail of ``critical``; the whole range without variation."""
    sd = float(values.std(ddof=1))
    if sd < 1e-9:
        return gap.low, gap.high
    quantile = -float(special.stdtrit(len(values) - 1, special.ndtr(-critical)))
    half, mean = quantile * sd / math.sqrt(len(values)), float(values.mean())
    return max(mean - half, gap.low), min(mean + half, gap.high)


def _bets(
    values: Floats, gap: Statistic, rule: StoppingRule
) -> list[tuple[int, float, float, str | None]]:
    if len(values) == 0:
        return []
    both = confidence_sequence(values, gap.low, gap.high, rule.alpha)
    single = confidence_sequence(values, gap.low, gap.high, 2 * rule.alpha)
    rows = zip(both.low.tolist(), both.high.tolist(), single.high.tolist(), strict=True)
    return [
        (t, low, high, _answer(low, high, rule.margin, upper))
        for t, (low, high, upper) in enumerate(rows, 1)
    ]
