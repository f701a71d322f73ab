"""The comparison at equal compute as an entry of the summary."""

import numpy as np
from numpy.typing import NDArray

from analysis.budgets import COSTS
from analysis.cells import known_mean
from analysis.config import AnalysisConfig
from analysis.cost_ratio import CostRatio, cost_ratios
from analysis.matching import PRIMARY_COST, Curves, Matched, Sides, match
from analysis.numbers import Json, gap_json
from analysis.study import PARALLEL, SEQUENTIAL, Study


def equal_compute_json(study: Study, system: str, config: AnalysisConfig) -> Json | None:
    """One system by the aggregator of the verdict; None where it lacks one of the two arms."""
    parallel, sequential = (study.raw.get((system, arm)) for arm in (PARALLEL, SEQUENTIAL))
    if parallel is None or sequential is None:
        return None
    short = bool(parallel.short.any() or sequential.short.any())
    found, sides = match(parallel, sequential, config.level(study.family), config)
    return {
        "problems": found.problems,
        "gaps": {cost: gap_json(found.gaps.get(cost)) for cost in COSTS},
        "ratios": [] if short else [_ratio_json(ratio) for ratio in _ratios(sides, config)],
        "curve": _curve_json(found),
        "tokens": {PARALLEL: _spent(sides.parallel), SEQUENTIAL: _spent(sides.sequential)},
        "notes": list(found.notes),
    }


def _ratios(sides: Sides, config: AnalysisConfig) -> list[CostRatio]:
    """For k = 2, half of N and N; none under a budget, which allows some chains fewer."""
    n = sides.parallel.value.shape[1]
    ks = sorted({2, n // 2, n} & set(range(2, n + 1)))
    return cost_ratios(sides.parallel, sides.sequential, PRIMARY_COST, ks, config)


def _ratio_json(found: CostRatio) -> Json:
    """An infinite number becomes null when the summary is written: it was never reached."""
    return dict(vars(found))


def _curve_json(found: Matched) -> Json | None:
    if found.curve_n == 0:
        return None
    names = ("tokens", PARALLEL, SEQUENTIAL)
    curves = {name: _rounded(values) for name, values in zip(names, found.curve, strict=True)}
    return {**curves, "n": found.curve_n}


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 5) for value in values.tolist()]


def _spent(found: Curves) -> dict[str, float]:
    return {cost: known_mean(values[:, -1]) for cost, values in found.cost.items()}
