"""The gap at equal compute: parallel against sequential over the same token budgets.

On each problem an arm spends a budget b on the most attempts that it affords there; between k and
k + 1 attempts it tosses a coin so that its expected cost is b, which is the straight line between
the two points. Nothing is extrapolated: a problem counts at the budgets that both arms can spend
on it. The mean gap over log2(b) on that common support uses all budgets, so no budget is picked
and nothing needs correcting for multiplicity. It is reported beside every verdict, and a verdict
rests on it where ``analyze.primary`` names one of ``analysis.config.AUC``.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.budgets import COSTS, chain_costs, pool_costs, select_replicates
from analysis.cells import chain_curve, pool_curve
from analysis.config import AUC, PARALLEL, SEQUENTIAL, AnalysisConfig
from analysis.inference import Inference, infer
from analysis.statistic import Statistic
from analysis.table import FINISHES, Cell

Floats = NDArray[np.float64]

PRIMARY_COST = "generated"
_GRID = 65
_LARGEST_CUT = 0.02
_ROUNDING = 1e-9
"""Sums of equal counts differ by less, as shares of them."""


@dataclass(frozen=True)
class Curves:
    """Value and expected cost of the first k attempts; [problem, k], NaN where not known."""

    value: Floats
    cost: Mapping[str, Floats]

    @property
    def usable(self) -> NDArray[np.bool_]:
        return np.asarray(~np.isnan(self.value).any(axis=1))


def curves(cell: Cell, arm: str, aggregator: str) -> Curves:
    """The curves of one arm; "last" of parallel is its majority, as in every gap."""
    if arm == PARALLEL:
        name = "majority" if aggregator == "last" else aggregator
        value = chain_curve(cell, name) if cell.short.any() else pool_curve(cell, name)
        return Curves(value, {c: pool_costs(cell, c, cell.correct.shape[2]) for c in COSTS})
    return Curves(chain_curve(cell, aggregator), {c: chain_costs(cell, c) for c in COSTS})


def common_support(parallel: Floats, sequential: Floats) -> tuple[Floats, Floats]:
    """[problem] least and largest budget that both arms can spend; NaN where there is none."""
    low = np.maximum(parallel[:, 0], sequential[:, 0])
    high = np.minimum(parallel[:, -1], sequential[:, -1])
    exists = (low > 0) & (high > low)
    return np.where(exists, low, np.nan), np.where(exists, high, np.nan)


def at_budgets(value: Floats, cost: Floats, budgets: Floats) -> Floats:
    """[problem, budget] value at budgets, [budget] or [problem, budget]; NaN off the curve."""
    budgets = np.broadcast_to(budgets, (len(value), np.shape(budgets)[-1]))
    for end in (cost[:, :1], cost[:, -1:]):
        # that must not push a budget off the curve
        budgets = np.where(np.abs(budgets - end) <= _ROUNDING * end, end, budgets)
    # how many attempts each budget affords, by insertion into sorted costs, row by row
    affords = np.zeros(budgets.shape, dtype=np.int64)
    for k in range(cost.shape[1]):
        affords += budgets >= cost[:, k : k + 1] * (1 - _ROUNDING)
    before = np.clip(affords - 1, 0, max(cost.shape[1] - 2, 0))
    after = np.minimum(before + 1, cost.shape[1] - 1)
    # places in the flattened curves: several times faster than take_along_axis
    row = cost.shape[1] * np.arange(len(cost))[:, None]
    (x, x_after), (y, y_after) = (
        [curve.take(row + place) for place in (before, after)] for curve in (cost, value)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        between = y + (budgets - x) * ((y_after - y) / (x_after - x))
    on_curve = (budgets >= cost[:, :1]) & (budgets <= cost[:, -1:])
    found = np.where(budgets >= x_after, y_after, np.where(budgets <= x, y, between))
    return np.where(on_curve, found, np.nan)


def mean_over_budgets(value: Floats, cost: Floats, low: Floats, high: Floats) -> Floats:
    """[problem] mean of a curve over log2 of the budget from low to high; NaN off the curve."""
    found = at_budgets(value, cost, budgets_between(low, high, _GRID))
    return np.asarray(np.trapezoid(found, dx=1 / (_GRID - 1), axis=1))


def budgets_between(low: Floats, high: Floats, points: int) -> Floats:
    """[problem, point] budgets from low to high, equally far apart in doublings."""
    ends = np.log2(np.column_stack([low, high]))
    return 2.0 ** (ends[:, :1] + np.linspace(0, 1, points) * (ends[:, 1:] - ends[:, :1]))


@dataclass(frozen=True)
class Sides:
    """The curves of both arms. without: of each, its curves with each replicate left out in turn.

    parallel, sequential: the one and the other side of the contrast, whatever arms they are.
    """

    parallel: Curves
    sequential: Curves
    without: tuple[Sequence[Curves], Sequence[Curves]]
    replicates: int


def both_sides(
    one: Cell, other: Cell, aggregator: str, arms: tuple[str, str] = (PARALLEL, SEQUENTIAL)
) -> Sides:
    """The curves of two arms, and what their noise is told from."""
    return Sides(
        curves(one, arms[0], aggregator),
        curves(other, arms[1], aggregator),
        (_without_each(one, arms[0], aggregator), _without_each(other, arms[1], aggregator)),
        min(cell.correct.shape[1] for cell in (one, other)),
    )


def _without_each(cell: Cell, arm: str, aggregator: str) -> list[Curves]:
    replicates = cell.correct.shape[1]
    if replicates < 2:
        return []
    keeps = ~np.eye(replicates, dtype=bool)
    return [curves(select_replicates(cell, keep), arm, aggregator) for keep in keeps]


Gap = Callable[[Curves, Curves], Floats]
"""From the curves of parallel and sequential to one number per problem."""


def contrast(sides: Sides, gap: Gap) -> Statistic:
    """Any gap of two curves, with its noise by the jackknife over the replicates of each arm."""
    p, s = sides.parallel, sides.sequential
    within = _jackknife([gap(part, s) for part in sides.without[0]])
    within = within + _jackknife([gap(p, part) for part in sides.without[1]])
    values = gap(p, s)
    return Statistic(values, np.broadcast_to(within, values.shape), sides.replicates, -1.0, 1.0)


def _jackknife(left_out: Sequence[Floats]) -> Floats:
    """(R - 1) / R sum of squares about their mean; NaN with one replicate."""
    if not left_out:
        return np.array(math.nan)
    values = np.array(left_out)
    return (len(values) - 1) * values.var(axis=0)


def over_budgets(cost: str) -> Gap:
    """Parallel minus sequential, averaged over log2(budget) on each problem's common support."""

    def gap(p: Curves, s: Curves) -> Floats:
        low, high = common_support(p.cost[cost], s.cost[cost])
        ends = (mean_over_budgets(c.value, c.cost[cost], low, high) for c in (p, s))
        return next(ends) - next(ends)

    return gap


def auc_contrast(one: Cell, other: Cell, arms: tuple[str, str], primary: str) -> Statistic:
    """The contrast of two arms, one minus the other, under a primary of AUC."""
    return contrast(both_sides(one, other, AUC[primary], arms), over_budgets(PRIMARY_COST))


def at_parallel_latency(p: Curves, s: Curves) -> Floats:
    """N parallel attempts minus what sequential has by the time that the longest of them ends.

    Parallel attempts end almost together, so the arms share hardly any range of latencies to
    average over.
    """
    spent = p.cost["latency"][:, -1:]
    return p.value[:, -1] - at_budgets(s.value, s.cost["latency"], spent)[:, 0]


@dataclass(frozen=True)
class Matched:
    """The gap of one system at equal compute.

    problems: usable in both arms. gaps: cost -> the gap averaged over log2(budget), without
    resampling; for "latency" the gap at the latency of N parallel attempts. A cost whose tokens are
    not known is not there. notes: what could not be used, and what may tilt it.
    """

    problems: int
    gaps: Mapping[str, Inference]
    notes: tuple[str, ...]


def match(
    parallel: Cell, sequential: Cell, aggregator: str, config: AnalysisConfig
) -> tuple[Matched, Sides]:
    """The gap of one system at equal compute, and the curves it rests on."""
    sides = both_sides(parallel, sequential, aggregator)
    p, s = sides.parallel, sides.sequential
    kinds = {cost: over_budgets(cost) for cost in COSTS} | {"latency": at_parallel_latency}
    gaps = {cost: contrast(sides, kind) for cost, kind in kinds.items()}
    known = {cost: gap for cost, gap in gaps.items() if gap.known.any()}
    inferred = infer(known, config, resample=False)
    usable = p.usable & s.usable
    notes = tuple(_notes(parallel, sequential, gaps, usable))
    return Matched(int(usable.sum()), inferred, notes), sides


def _notes(
    parallel: Cell,
    sequential: Cell,
    gaps: Mapping[str, Statistic],
    usable: NDArray[np.bool_],
) -> Iterator[str]:
    """What the comparison could not use, and what may have tilted it."""
    total = int(usable.sum())
    for cost, gap in gaps.items():
        used = int((gap.known & usable).sum())
        name = "critical path" if cost == "latency" else cost
        if used == 0:
            yield f"{name}: no gap, because tokens are not known or the arms share no budget"
        elif used < total:
            yield f"{name}: {total - used} of {total} problems have no budget in common"
    cut = [_share_cut(cell) for cell in (parallel, sequential)]
    if abs(cut[0] - cut[1]) > _LARGEST_CUT:
        yield (
            f"truncated attempts: parallel {100 * cut[0]:.1f} %, sequential {100 * cut[1]:.1f} %; "
            "a token limit that cuts one arm more tilts the comparison"
        )


def _share_cut(cell: Cell) -> float:
    present = cell.finish[cell.made]
    return float((present == FINISHES.index("length")).mean()) if len(present) else 0.0
