"""The comparison at equal compute as an entry of the summary."""

from analysis.budgets import COSTS
from analysis.cells import known_mean
from analysis.config import AnalysisConfig
from analysis.cost_curves import cost_curve, cost_curve_json
from analysis.cost_ratio import CostRatio, cost_ratios
from analysis.matching import PRIMARY_COST, Curves, Sides, curves, match
from analysis.numbers import Json, gap_json
from analysis.study import PARALLEL, SEQUENTIAL, Study
from analysis.table import Cell


def equal_compute_json(study: Study, system: str, config: AnalysisConfig) -> Json | None:
    """One system by the aggregator of the verdict; None where it lacks one of the two arms."""
    parallel, sequential = (study.raw.get((system, arm)) for arm in (PARALLEL, SEQUENTIAL))
    if parallel is None or sequential is None:
        return None
    level = config.level(study.family)
    short = bool(parallel.short.any() or sequential.short.any())
    found, sides = match(parallel, sequential, level, config)
    return {
        "problems": found.problems,
        "gaps": {cost: gap_json(found.gaps.get(cost)) for cost in COSTS},
        "ratios": [] if short else [_ratio_json(ratio) for ratio in _ratios(sides, config)],
        "curves": _curves_json(parallel, sequential, level, config.alpha),
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


def _curves_json(parallel: Cell, sequential: Cell, level: str, alpha: float) -> Json:
    """Aggregator (that of the verdict, and coverage) -> cost -> both arms against it."""
    replicates = min(cell.correct.shape[1] for cell in (parallel, sequential))
    found: Json = {}
    for name in dict.fromkeys((level, "coverage")):
        sides = curves(parallel, PARALLEL, name), curves(sequential, SEQUENTIAL, name)
        drawn = {cost: cost_curve(*sides, cost, replicates) for cost in COSTS}
        found[name] = {cost: cost_curve_json(curve, alpha) for cost, curve in drawn.items()}
    return found


def _spent(found: Curves) -> dict[str, float]:
    return {cost: known_mean(values[:, -1]) for cost, values in found.cost.items()}
