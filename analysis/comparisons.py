"""Verdicts: adapters against their base, methods over seeds, and models that are no adapters."""

from collections.abc import Mapping

import numpy as np

from analysis.config import AGGREGATORS, AnalysisConfig, SystemInfo
from analysis.inference import Inference, ratio_of_means
from analysis.numbers import Json, gap_json
from analysis.seeds import crossed_interval, seed_interval
from analysis.statistic import Statistic
from analysis.study import Key, Study
from analysis.unsettled import held_in_every_case
from analysis.verdict import Terms, judge, judge_model, withhold

_NO_PROBLEMS = "Not measured: no problem has all the attempts it needs in every arm."
_NO_VERDICT = {"verdict": None, "withheld": None, "steps": [], "fraction_closed": None}
_CHANGES = ("gap_base", "gap_adapted", "did", "sequential_change", "parallel_change")


def model_json(
    study: Study, name: str, inferred: Mapping[Key, Inference], primary: str, terms: Terms
) -> Json:
    """Entry of a model that is no adapter: is there a gap at all?"""
    key = ("gap", name, primary)
    if key not in inferred:
        return {"verdict": None, "gap": None, "reason": "Not measured: an arm is missing."}
    if not study.contrasts[key].known.any():
        return {"verdict": None, "gap": gap_json(inferred[key]), "reason": _NO_PROBLEMS}
    judged = judge_model(study.contrasts[key], terms)
    return {"verdict": judged.verdict, "gap": gap_json(inferred[key]), "reason": judged.reason}


def adapter_json(
    study: Study,
    info: SystemInfo,
    inferred: Mapping[Key, Inference],
    primary: str,
    terms: Terms,
    unsettled: Json | None,
    withheld: str | None,
) -> Json:
    """Entry of one adapter: its verdict, and every change against its base.

    unsettled: see ``analysis.unsettled``. withheld: why CLOSED is never said; None = it may be.
    """
    entry: Json = {"base": info.base, "method": info.method, "seed": info.seed}
    found = {key: inferred.get((key, info.name, primary)) for key in _CHANGES}
    entry |= {key: gap_json(value) for key, value in found.items()}
    entry["other_aggregators"] = {
        a: {key: gap_json(inferred.get((key, info.name, a))) for key in _CHANGES[:3]}
        for a in AGGREGATORS
        if a != primary
    }
    if found["did"] is None:
        reason = f"Not measured: an arm of {info.name} or of {info.base} is missing."
        return {**entry, **_NO_VERDICT, "reason": reason}
    base, adapted, parallel = (
        study.contrasts[(key, info.name, primary)]
        for key in ("gap_base", "gap_adapted", "parallel_change")
    )
    if not base.known.any():
        return {**entry, **_NO_VERDICT, "reason": _NO_PROBLEMS}
    judged = held_in_every_case(judge(base, adapted, parallel, terms), unsettled)
    if withheld and judged.verdict == "CLOSED":
        judged = withhold(judged, "NARROWED", f"All four tests passed, but {withheld}.")
    return {
        **entry,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "withheld": judged.withheld,
        "steps": [vars(step) for step in judged.steps],
        "fraction_closed": _fraction_closed(base, adapted, terms.alpha),
    }


def _fraction_closed(base: Statistic, adapted: Statistic, alpha: float) -> Json | None:
    """1 - adapted gap / base gap; None unless the base gap is 4 standard errors from 0."""
    left = ratio_of_means(adapted, base, alpha)
    if left is None:
        return None
    return {"estimate": 1 - left.estimate, "low": 1 - left.high, "high": 1 - left.low}


def methods_json(
    study: Study, adapters: Json, infos: Mapping[str, SystemInfo], config: AnalysisConfig
) -> Json:
    """Adapters that differ only in training seed, with the seeds as the sample."""
    groups: dict[str, list[str]] = {}
    for name, entry in adapters.items():
        if entry["verdict"] is not None:
            groups.setdefault(infos[name].method or name, []).append(name)
    primary = config.aggregator(study.family)
    found: Json = {}
    for method, names in groups.items():
        verdicts = [adapters[name]["verdict"] for name in names]
        found[method] = {
            "seeds": len(names),
            "verdicts": {v: verdicts.count(v) for v in dict.fromkeys(verdicts)},
        }
        for key in _CHANGES[1:]:
            contrasts = [study.contrasts[(key, name, primary)] for name in names]
            found[method][key] = _over_seeds(contrasts, config.alpha)
    return found


def _over_seeds(contrasts: list[Statistic], alpha: float) -> Json:
    means = np.array([contrast.estimate for contrast in contrasts])
    values = np.array([contrast.values for contrast in contrasts])
    low, high = seed_interval(means, alpha)
    crossed = crossed_interval(values[:, ~np.isnan(values).any(axis=0)], alpha)
    return {
        "estimate": float(means.mean()),
        "low": low,
        "high": high,
        "crossed_low": crossed[0],
        "crossed_high": crossed[1],
        "n": len(means),
    }
