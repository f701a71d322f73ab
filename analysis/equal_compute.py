"""The comparison at equal compute as an entry of the summary."""

from collections.abc import Mapping, Sequence

from analysis.budgets import COSTS
from analysis.cells import known_mean
from analysis.config import AnalysisConfig
from analysis.cost_curves import cost_curve, cost_curve_json
from analysis.cost_ratio import CostRatio, cost_ratios
from analysis.matching import PRIMARY_COST, Curves, Matched, Sides, curves, match
from analysis.numbers import Json, gap_json
from analysis.study import PARALLEL, SEQUENTIAL, Study

BOTH = (PARALLEL, SEQUENTIAL)


def equal_compute_json(study: Study, config: AnalysisConfig) -> dict[str, Json | None]:
    """Each system by the aggregator of the verdict; None where it lacks one of the two arms."""
    level = config.level(study.family)
    found = {
        system: match(study.raw[system, PARALLEL], study.raw[system, SEQUENTIAL], level, config)
        for system in study.systems
        if all((system, arm) in study.raw for arm in BOTH)
    }
    ratios = _ratios(study, {system: sides for system, (_, sides) in found.items()}, config)
    entries = {
        system: _entry(matched, sides, ratios.get(system, []))
        | {"curves": _curves_json(study, system, level, config.alpha)}
        for system, (matched, sides) in found.items()
    }
    return {system: entries.get(system) for system in study.systems}


def _ratios(
    study: Study, sides: Mapping[str, Sides], config: AnalysisConfig
) -> dict[str, list[CostRatio]]:
    """For k = 2, half of N and N; none under a budget, which allows some chains fewer."""
    pairs = {
        system: (one.parallel, one.sequential)
        for system, one in sides.items()
        if not any(study.raw[system, arm].short.any() for arm in BOTH)
    }
    n = max((parallel.value.shape[1] for parallel, _ in pairs.values()), default=0)
    ks = sorted({2, n // 2, n} & set(range(2, n + 1)))
    ratios = cost_ratios(list(pairs.values()), PRIMARY_COST, ks, config)
    return dict(zip(pairs, ratios, strict=True))


def _entry(found: Matched, sides: Sides, ratios: Sequence[CostRatio]) -> Json:
    return {
        "problems": found.problems,
        "gaps": {cost: gap_json(found.gaps.get(cost)) for cost in COSTS},
        "ratios": [_ratio_json(ratio) for ratio in ratios],
        "tokens": {PARALLEL: _spent(sides.parallel), SEQUENTIAL: _spent(sides.sequential)},
        "notes": list(found.notes),
    }


def _ratio_json(found: CostRatio) -> Json:
    """An infinite number becomes null when the summary is written: it was never reached."""
    return dict(vars(found))


def _curves_json(study: Study, system: str, level: str, alpha: float) -> Json:
    """Aggregator (that of the verdict, and coverage) -> cost -> both arms against it."""
    parallel, sequential = study.raw[system, PARALLEL], study.raw[system, SEQUENTIAL]
    replicates = min(cell.correct.shape[1] for cell in (parallel, sequential))
    found: Json = {}
    for name in dict.fromkeys((level, "coverage")):
        sides = curves(parallel, PARALLEL, name), curves(sequential, SEQUENTIAL, name)
        drawn = {cost: cost_curve(*sides, cost, replicates) for cost in COSTS}
        found[name] = {cost: cost_curve_json(curve, alpha) for cost, curve in drawn.items()}
    return found


def _spent(found: Curves) -> dict[str, float]:
    return {cost: known_mean(values[:, -1]) for cost, values in found.cost.items()}
