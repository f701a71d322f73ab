"""Levels of one system: accuracy, exploration and cost of every arm, and the gaps."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analysis.cells import CellStatistics
from analysis.chains import identity_terms
from analysis.config import AnalysisConfig
from analysis.inference import Inference, ratio_of_means
from analysis.intervals import (
    FEWEST_NON_ZERO,
    Interval,
    interval,
    ratio_difference,
    ratio_interval,
    t_interval,
)
from analysis.numbers import Json, gap_json, interval_json
from analysis.statistic import without_noise
from analysis.study import PARALLEL, SEQUENTIAL, Key, Study, compared

Floats = NDArray[np.float64]

_NOT_OF_EVERY_ARM = (
    "last",
    "best_of_n",
    "weighted_vote",
    "trace_dispersion",
    "trace_vendi",
    "ideal_coverage",
    "coverage_twice",
    "entropy",
    "missing_mass",
    "exhausted",
)


def system_json(
    study: Study, name: str, inferred: Mapping[Key, Inference], config: AnalysisConfig
) -> Json:
    """Entry of one system: levels by arm, gaps by aggregator, the identity."""
    arms = study.arms(name)
    names = compared(config.aggregator(study.family))
    gaps = {a: inferred.get(("gap", name, a)) for a in names}
    return {
        "arms": {arm: _arm(study, name, arm, config) for arm in arms},
        "gaps": {a: gap_json(found) for a, found in gaps.items()},
        "identity": _identity(study, name, config.alpha),
    }


def _arm(study: Study, system: str, arm: str, config: AnalysisConfig) -> Json:
    cell, cost = study.cells[(system, arm)], study.costs[(system, arm)]
    primary, alpha = config.level(study.family), config.alpha
    levels = {name: interval_json(interval(s, alpha)) for name, s in cell.levels.items()}
    parallel = study.cells.get((system, PARALLEL))
    return {
        **levels,
        **{name: levels.get(name) for name in _NOT_OF_EVERY_ARM},
        "effective_answers": _effective_answers(interval(cell.levels["collision"], alpha)),
        "efficiency": _efficiency(cell, parallel, alpha),
        "against_twice": _against_twice(cell, parallel, alpha),
        "selection": _selection(cell, primary),
        **_independence(cell, parallel, alpha),
        **{n: _transition(e, r, alpha) for n, (e, r) in cell.transitions.items()},
        "first_right_lead": _first_right_lead(cell, parallel, alpha),
        "tokens": dict(cost.tokens),
        "finish": dict(cost.finish),
        "ungraded": cost.ungraded,
        "attempts": cost.attempts,
        "per_chain": cost.per_chain,
        "missing": cost.missing,
        "by_step": {name: _curve(name, cell.curves[name], alpha) for name in cell.curves},
    }


def _selection(cell: CellStatistics, primary: str) -> float | None:
    chosen = cell.levels["last" if primary == "last" and "last" in cell.levels else "majority"]
    shared = chosen.known & cell.levels["coverage"].known
    covered = cell.levels["coverage"].only(shared).estimate
    return chosen.only(shared).estimate / covered if covered > 0 else None


def _independence(cell: CellStatistics, parallel: CellStatistics | None, alpha: float) -> Json:
    """The repeat rate that independent draws would show, and what the arm shows beyond it."""
    if parallel is None or parallel.pool is None:
        return {"repeat_baseline": None, "repeat_excess": None}
    rate = cell.levels["repeat_rate"]
    later = parallel.pool.baseline[:, 1:]
    values = later.mean(axis=1) if later.shape[1] else np.full(len(later), math.nan)
    baseline = without_noise(values, replicates=rate.replicates)
    return {
        "repeat_baseline": interval_json(interval(baseline.only(rate.known), alpha)),
        "repeat_excess": interval_json(interval(rate - baseline, alpha)),
    }


def _effective_answers(collision: Interval) -> Json | None:
    """Hill number of order 2: 1 over the mean collision, and over its bounds."""
    if not collision.low > 0:
        return None
    return {
        "estimate": 1 / collision.estimate,
        "low": 1 / collision.high,
        "high": 1 / collision.low,
        "n": collision.n,
    }


def _efficiency(cell: CellStatistics, parallel: CellStatistics | None, alpha: float) -> Json | None:
    """Where the coverage lies between independent draws (0) and draws without repeats (1)."""
    if parallel is None or cell is parallel or "ideal_coverage" not in parallel.levels:
        return None
    independent = parallel.levels["coverage"]
    room = parallel.levels["ideal_coverage"] - independent
    found = ratio_of_means(cell.levels["coverage"] - independent, room, alpha)
    return None if found is None else interval_json(found)


def _against_twice(
    cell: CellStatistics, parallel: CellStatistics | None, alpha: float
) -> Json | None:
    """Coverage of the arm less that of twice as many independent draws, which take two replicates
    of the parallel arm."""
    if parallel is None or cell is parallel or "coverage_twice" not in parallel.levels:
        return None
    found = cell.levels["coverage"] - parallel.levels["coverage_twice"]
    return interval_json(interval(found, alpha)) if found.known.any() else None


def _transition(events: Floats, at_risk: Floats, alpha: float) -> Json:
    return {**interval_json(ratio_interval(events, at_risk, alpha)), "at_risk": int(at_risk.sum())}


def _first_right_lead(
    cell: CellStatistics, parallel: CellStatistics | None, alpha: float
) -> Json | None:
    """What first_right is above that of the system's independent draws: what the earlier, wrong
    answers are worth to the next attempt."""
    if parallel is None or cell is parallel:
        return None
    sides = cell.transitions["first_right"], parallel.transitions["first_right"]
    found = ratio_difference(*sides, alpha)
    return interval_json(found) if found.n else None


def _curve(name: str, values: Floats, alpha: float) -> list[Json]:
    """One interval per k; the first attempt has nothing to repeat."""
    high = float(values.shape[1]) if name == "distinct" else 1.0
    points = [
        interval_json(interval(without_noise(values[:, k], high=high), alpha))
        for k in range(values.shape[1])
    ]
    if name == "repeat_rate":
        points[0] = interval_json(Interval(math.nan, math.nan, math.nan, 0))
    return points


def _identity(study: Study, system: str, alpha: float) -> Json | None:
    """The exact split of the majority gap, intervals by the delta method over problems."""
    sides = [study.cells.get((system, arm)) for arm in (PARALLEL, SEQUENTIAL)]
    if sides[0] is None or sides[1] is None:
        return None
    levels = [side.levels[name] for side in sides if side for name in ("coverage", "majority")]
    shared = np.logical_and.reduce([level.known for level in levels])
    x = np.column_stack([level.values[shared] for level in levels])
    if len(x) < 2 or x.mean(axis=0)[[0, 2]].min() <= 0:
        return None
    cp, mp, cs, ms = x.mean(axis=0)
    terms = identity_terms(cp, cs, mp / cp, ms / cs)
    slope = 0.5 * np.array(
        [ms / cs + cs * mp / cp**2, 1 - cs / cp, -cp * ms / cs**2 - mp / cp, cp / cs - 1]
    )
    whole = np.array([0.0, 1.0, 0.0, -1.0])
    return {
        "coverage_term": _delta(x @ slope, terms[0], alpha),
        "selection_term": _delta(x @ (whole - slope), terms[1], alpha),
    }


def _delta(influence: Floats, estimate: float, alpha: float) -> Json:
    degenerate = len(influence) < FEWEST_NON_ZERO or float(np.ptp(influence)) < 1e-9
    low = high = math.nan
    if not degenerate:
        low, high = t_interval(influence - influence.mean() + estimate, alpha)
    return interval_json(Interval(estimate, low, high, len(influence), "delta", degenerate))
