"""Verdicts: adapters against their base, methods over seeds, and models that are no adapters."""

import math
from collections.abc import Mapping

import numpy as np

from analysis.config import AGGREGATORS, AnalysisConfig, SystemInfo
from analysis.inference import Inference, t_ratio
from analysis.intervals import fieller, t_interval
from analysis.numbers import Json, gap_json
from analysis.statistic import Statistic
from analysis.study import Key, Study
from analysis.verdict import judge, judge_model

_LEAST_T_FOR_FRACTION = 4.0
_NO_PROBLEMS = "Not measured: no problem has all the attempts it needs in every arm."
_CHANGES = ("gap_base", "gap_adapted", "did", "sequential_change", "parallel_change")


def model_json(
    study: Study, name: str, inferred: Mapping[Key, Inference], config: AnalysisConfig
) -> Json:
    """Entry of a model that is no adapter: is there a gap at all?"""
    key = ("gap", name, config.aggregator(study.family))
    if key not in inferred:
        return {"verdict": None, "gap": None, "reason": "Not measured: an arm is missing."}
    if not study.contrasts[key].known.any():
        return {"verdict": None, "gap": gap_json(inferred[key]), "reason": _NO_PROBLEMS}
    judged = judge_model(study.contrasts[key], config)
    return {"verdict": judged.verdict, "gap": gap_json(inferred[key]), "reason": judged.reason}


def adapter_json(
    study: Study,
    info: SystemInfo,
    inferred: Mapping[Key, Inference],
    config: AnalysisConfig,
    registered: bool,
) -> Json:
    """Entry of one adapter: its verdict, and every change against its base."""
    primary = config.aggregator(study.family)
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
        return {**entry, "verdict": None, "reason": reason, "steps": [], "fraction_closed": None}
    base, adapted, parallel = (
        study.contrasts[(key, info.name, primary)]
        for key in ("gap_base", "gap_adapted", "parallel_change")
    )
    if not base.known.any():
        entry |= {"verdict": None, "reason": _NO_PROBLEMS, "steps": [], "fraction_closed": None}
        return entry
    judged = judge(base, adapted, parallel, config, registered)
    return {
        **entry,
        "verdict": judged.verdict,
        "reason": judged.reason,
        "steps": [vars(step) for step in judged.steps],
        "fraction_closed": _fraction_closed(base, adapted, config.alpha),
    }


def _fraction_closed(base: Statistic, adapted: Statistic, alpha: float) -> Json | None:
    """1 - adapted gap / base gap; None unless the base gap is 4 standard errors from 0."""
    if abs(t_ratio(base)) < _LEAST_T_FOR_FRACTION:
        return None
    limits = fieller(adapted.sample, base.sample, alpha)
    if limits is None:
        return None
    return {
        "estimate": 1 - adapted.estimate / base.estimate,
        "low": 1 - limits[1],
        "high": 1 - limits[0],
    }


def methods_json(adapters: Json, infos: Mapping[str, SystemInfo], alpha: float) -> Json:
    """Adapters that differ only in training seed, with the seeds as the sample."""
    groups: dict[str, list[Json]] = {}
    for name, entry in adapters.items():
        if entry["verdict"] is not None:
            groups.setdefault(infos[name].method or name, []).append(entry)
    return {method: _method(entries, alpha) for method, entries in groups.items()}


def _method(entries: list[Json], alpha: float) -> Json:
    verdicts = [entry["verdict"] for entry in entries]
    samples = {key: [entry[key]["estimate"] for entry in entries] for key in _CHANGES[1:]}
    return {
        "seeds": len(entries),
        "verdicts": {v: verdicts.count(v) for v in dict.fromkeys(verdicts)},
        **{key: _over_seeds(sample, alpha) for key, sample in samples.items()},
    }


def _over_seeds(estimates: list[float], alpha: float) -> Json:
    values = np.array(estimates, dtype=float)
    varied = len(values) > 1 and np.ptp(values) > 1e-9
    low, high = t_interval(values, alpha) if varied else (math.nan, math.nan)
    return {"estimate": float(values.mean()), "low": low, "high": high, "n": len(values)}
