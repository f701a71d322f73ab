"""What each arm solves at every budget, both arms on the budgets that they share.

A point is one share of the way, in doublings, from the least to the largest budget that both arms
can spend on a problem. So all problems count at every point, and the distance between the curves,
averaged along the axis, is the gap that ``analysis.matching`` averages over log2 of the budget.

The critical path is a deadline: to wait costs nothing, so an arm that has made its N attempts keeps
what they solve. N parallel attempts end almost together, and without that there would be hardly a
deadline to compare at.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.intervals import Interval, interval
from analysis.matching import Curves, at_budgets, budgets_between, common_support
from analysis.numbers import Json
from analysis.statistic import Statistic, without_noise

Floats = NDArray[np.float64]

_POINTS = 17


@dataclass(frozen=True)
class CostCurve:
    """tokens: [point] budget, geometric mean over problems. parallel, sequential: [problem, point]
    value, of the problems with budgets that both arms can spend. replicates: fewest in an arm."""

    tokens: Floats
    parallel: Floats
    sequential: Floats
    replicates: int = 1


def cost_curve(
    parallel: Curves, sequential: Curves, cost: str, replicates: int = 1
) -> CostCurve | None:
    """Both arms against one cost; None where tokens are not known or no budget is shared."""
    if cost == "latency":
        ends = np.fmax(*(c.cost[cost][:, -1] for c in (parallel, sequential)))
        parallel, sequential = (_waiting(c, ends) for c in (parallel, sequential))
    low, high = common_support(parallel.cost[cost], sequential.cost[cost])
    kept = parallel.usable & sequential.usable & ~np.isnan(low)
    if not kept.any():
        return None
    budgets = budgets_between(low[kept], high[kept], _POINTS)
    p, s = (at_budgets(c.value[kept], c.cost[cost][kept], budgets) for c in (parallel, sequential))
    return CostCurve(np.exp2(np.log2(budgets).mean(axis=0)), p, s, replicates)


def _waiting(found: Curves, until: Floats) -> Curves:
    """The curve of an arm that keeps what it has until a deadline. until: [problem] tokens."""
    path = found.cost["latency"]
    return Curves(
        np.column_stack([found.value, found.value[:, -1]]),
        {"latency": np.column_stack([path, np.maximum(path[:, -1], until)])},
    )


def cost_curve_json(found: CostCurve | None, alpha: float) -> Json | None:
    """Means over problems with their two-sided intervals, each at its budget alone."""
    if found is None:
        return None
    gap = found.parallel - found.sequential
    noise = np.full(len(gap), math.nan)
    gaps = [Statistic(values, noise, found.replicates, -1.0, 1.0) for values in gap.T]
    return {
        "tokens": _rounded(found.tokens),
        "n": len(gap),
        "parallel": _band([without_noise(values) for values in found.parallel.T], alpha),
        "sequential": _band([without_noise(values) for values in found.sequential.T], alpha),
        "gap": _band(gaps, alpha),
    }


def _band(points: list[Statistic], alpha: float) -> Json:
    found: list[Interval] = [interval(point, alpha) for point in points]
    ends = ("estimate", "low", "high")
    return {end: _rounded([getattr(point, end) for point in found]) for end in ends}


def _rounded(values: Floats | list[float]) -> list[float]:
    return [round(float(value), 5) for value in values]
