"""Which width, depth, system and aggregator to run at a budget, without flattering the winner.

The best of many candidates on some problems looks better there than it is. So the winner is
chosen on one half of the problems and valued on the other, both ways round, over several random
halvings whose intervals are averaged.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analysis.budgets import COSTS
from analysis.candidates import Candidate, Valued, value_candidates
from analysis.intervals import Interval, interval
from analysis.statistic import without_noise
from analysis.study import PARALLEL, SEQUENTIAL
from analysis.table import build_table
from analysis.words import counted
from sample.errors import UsageError, need
from sample.records import Attempt

Floats = NDArray[np.float64]

_FEWEST = 10
_ENDS = ("estimate", "low", "high")


ARMS = (PARALLEL, SEQUENTIAL)
"""Strategies that can be run in use; controls cannot."""

_HALVINGS = 20
_need = partial(need, of="recommend")


@dataclass(frozen=True)
class RecommendConfig:
    """budget: tokens per problem of the kind ``cost`` (see analysis.budgets); None = a range.

    cost "latency" counts tokens that follow each other: seconds times the decoding speed.
    verifier: a checker can pick a correct attempt, so coverage can be cashed in.
    base: system of the plain baseline. alpha, seed: of the intervals and the halvings.
    """

    budget: float | None = None
    cost: str = "generated"
    verifier: bool = False
    base: str = "base"
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        _need(self.cost in COSTS, "--cost", f"one of {', '.join(COSTS)}", self.cost)
        given = self.budget
        _need(given is None or given > 0, "--budget", "a number of tokens above 0", given)


@dataclass(frozen=True)
class Choice:
    """The best candidate at one budget.

    apparent: its mean on all problems, which flatters it; held_out: interval of what choosing
    gains on problems that had no say. agreement: share of the halves that chose it too.
    cost: its mean tokens. gain: held_out minus the baseline, None where that is too dear.
    plain: the baseline's own interval and mean tokens.
    """

    budget: float
    candidate: Candidate
    cost: float
    apparent: float
    held_out: Interval
    agreement: float
    baseline: Candidate | None
    gain: Interval | None
    plain: tuple[Interval, float] | None

    @property
    def worth_it(self) -> bool:
        """Whether choosing did better than the baseline on problems that had no say."""
        if self.gain is None:
            return True
        return self.baseline != self.candidate and self.gain.estimate > 0

    @property
    def advised(self) -> Candidate:
        """The candidate if it is worth it, else the baseline."""
        return self.baseline if self.baseline and not self.worth_it else self.candidate

    @property
    def solved(self) -> Interval:
        """What the advised way solves."""
        return self.plain[0] if self.plain and not self.worth_it else self.held_out


@dataclass(frozen=True)
class Recommendation:
    """One family. frontier: a choice per budget, from the cheapest up; advice: at the last."""

    family: str
    cost: str
    base: str
    problems: int
    considered: int
    frontier: tuple[Choice, ...]
    advice: str
    warnings: tuple[str, ...]


def run_recommend(attempts: Iterable[Attempt], config: RecommendConfig) -> list[Recommendation]:
    """The recommendation for each family of the records of one or more runs.

    Raises:
        UsageError: no family with enough problems on which all candidates are known.
    """
    table = build_table(attempts)
    if any(cell.short.any() for cell in table.cells.values()):
        raise UsageError(
            "recommend: attempts under a budget of tokens tell nothing about other widths and "
            "depths; give runs without sample.budget"
        )
    aggregators = ("majority", "last", "coverage") if config.verifier else ("majority", "last")
    found, refused = [], []
    for family in sorted(table.problems):
        valued = value_candidates(table.cells, family, ARMS, aggregators, config.cost)
        known = np.asarray(~np.isnan(valued.value + valued.cost).any(axis=1))
        if known.sum() < _FEWEST:
            refused.append(f"{family}: {known.sum()} problems have every candidate and its cost")
            continue
        said = _warnings(int((~known).sum()), table.duplicates)
        found.append(recommend(valued.only(known), family, config, said))
    if not found:
        raise UsageError(
            f"recommend: needs {_FEWEST} problems that every system was sampled on, with token "
            f"counts ({'; '.join(refused)}); give runs over the same problems, finished"
        )
    return found


def _warnings(dropped: int, duplicates: int) -> list[str]:
    said = []
    if dropped:
        said.append(f"{counted(dropped, 'problem')} without all attempts or token counts, left out")
    if duplicates:
        said.append(
            f"{duplicates} attempts are in several of the runs; the last run named counts: "
            "systems of different runs need different names"
        )
    return said


def recommend(
    valued: Valued, family: str, config: RecommendConfig, warnings: Sequence[str] = ()
) -> Recommendation:
    """The frontier and the advice of one family; every value and cost known."""
    budgets = _budgets(valued, config)
    halves = _halves(len(valued.value), config.seed)
    choices = [_choose(valued, budget, halves, config) for budget in budgets]
    frontier = [choice for choice in choices if choice is not None]
    if not frontier:
        cheapest = float(valued.cost.mean(axis=0).min())
        raise UsageError(
            f"recommend: {family}: nothing costs as little as {config.budget:g} {config.cost} "
            f"tokens per problem; the cheapest candidate costs {cheapest:.0f}"
        )
    # the last of equals, so that the advice is the last row
    unique = [
        choice
        for i, choice in enumerate(frontier)
        if i == len(frontier) - 1 or choice.advised != frontier[i + 1].advised
    ]
    return Recommendation(
        family,
        config.cost,
        config.base,
        len(valued.value),
        len(valued.candidates),
        tuple(unique),
        _advice(frontier[-1], config),
        tuple(warnings),
    )


def _budgets(valued: Valued, config: RecommendConfig) -> list[float]:
    """Doublings from the cheapest candidate up to the budget, or to the dearest candidate."""
    costs = valued.cost.mean(axis=0)
    top = float(costs.max()) if config.budget is None else config.budget
    doublings = math.log2(top / costs.min()) if top > costs.min() > 0 else 0
    below = [float(costs.min()) * 2**k * (1 + 1e-9) for k in range(math.ceil(doublings))]
    return [*below, top]


def _halves(problems: int, seed: int) -> NDArray[np.bool_]:
    """[halving, problem] True for one half."""
    rng = np.random.default_rng([seed, 4])
    first = np.arange(problems) < problems // 2
    return np.array([rng.permutation(first) for _ in range(_HALVINGS)])


def _choose(
    valued: Valued, budget: float, halves: NDArray[np.bool_], config: RecommendConfig
) -> Choice | None:
    prices = valued.cost.mean(axis=0)
    # by the costs of all problems: what is affordable is no outcome, and a half must not change it
    affordable = np.flatnonzero(prices <= budget)
    if len(affordable) == 0:
        return None
    # the cheaper of equals first
    affordable = affordable[np.argsort(prices[affordable], kind="stable")]
    best = _winner(valued.value, affordable)
    held, agreed = np.empty((len(halves), len(valued.value))), 0
    for row, first in zip(held, halves, strict=True):
        for half in (first, ~first):
            chosen = _winner(valued.value[half], affordable)
            row[~half] = valued.value[~half, chosen]
            agreed += chosen == best
    plain = _baseline(valued, affordable, config)
    level = None if plain is None else _over_halvings(valued.value[None, :, plain], 0.0, config)
    return Choice(
        budget,
        valued.candidates[best],
        float(prices[best]),
        float(valued.value[:, best].mean()),
        _over_halvings(held, 0.0, config),
        agreed / (2 * len(halves)),
        None if plain is None else valued.candidates[plain],
        None if plain is None else _over_halvings(held - valued.value[:, plain], -1.0, config),
        None if plain is None or level is None else (level, float(prices[plain])),
    )


def _over_halvings(held: Floats, low: float, config: RecommendConfig) -> Interval:
    """The mean of the intervals of single halvings, within the least and largest value.

    The halvings share their problems, so their mean varies nearly as much as each of them: an
    interval of the averaged values would be too narrow (measured: 85 % instead of 95 %).
    """
    found = [interval(without_noise(row, low, replicates=2), config.alpha) for row in held]
    mean = {
        end: float(np.clip(np.mean([getattr(f, end) for f in found]), low, 1.0)) for end in _ENDS
    }
    return replace(found[0], degenerate=any(f.degenerate for f in found), **mean)


def _winner(value: Floats, affordable: NDArray[np.int64]) -> int:
    means = np.round(value.mean(axis=0)[affordable], 12)
    return int(affordable[means.argmax()])


def _baseline(valued: Valued, affordable: NDArray[np.int64], config: RecommendConfig) -> int | None:
    """Plain parallel sampling of the base at the largest affordable width, picked without values.

    With a verifier its attempts are verified too: the baseline has the same means.
    """
    aggregator = "coverage" if config.verifier else "majority"
    plain = [
        int(i)
        for i in affordable
        if (valued.candidates[i].system, valued.candidates[i].arm) == (config.base, PARALLEL)
        and valued.candidates[i].aggregator == aggregator
    ]
    return max(plain, key=lambda i: valued.candidates[i].width, default=None)


def _advice(choice: Choice, config: RecommendConfig) -> str:
    """What to run, with the numbers of the choice's row in the table."""
    said = (
        f"With {choice.budget:.0f} {config.cost} tokens per problem run {choice.advised.label}"
        f"{'' if choice.worth_it else ', the baseline'}: {_percent(choice.solved)} solved"
    )
    if choice.gain is None or choice.baseline is None:
        return f"{said} on held-out problems."
    if choice.baseline == choice.candidate:
        return f"{said}; no other way to spend them looks better on these problems."
    gain = choice.gain
    points = f"{100 * gain.estimate:+.1f} points [{100 * gain.low:.1f}, {100 * gain.high:.1f}]"
    if not choice.worth_it:
        return (
            f"{said}. {choice.candidate.label} looks best, but on held-out problems choosing "
            f"gains {points} against the baseline."
        )
    shown = "" if gain.low > 0 else ", a difference that is not shown"
    return f"{said} on held-out problems, {points} against {choice.baseline.label}{shown}."


def _percent(found: Interval) -> str:
    return f"{100 * found.estimate:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]"
