"""The attribution of a gap as an entry of the summary: shares, checks, and what they say."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from analysis import checks
from analysis.attribution import Attribution, attribute, contrast
from analysis.checks import Check
from analysis.config import AGGREGATORS, AnalysisConfig
from analysis.equivalence import equivalence
from analysis.factorial import Effect
from analysis.inference import ratio_of_means
from analysis.intervals import interval
from analysis.numbers import Json, interval_json
from analysis.resampling import max_t_quantile
from analysis.statistic import Statistic
from analysis.study import PARALLEL, SEQUENTIAL, Study
from analysis.words import capitalized


def causes_json(study: Study, system: str, config: AnalysisConfig) -> Json | None:
    """What of each gap of the system is due to what; None where it has no gap."""
    cells = {arm: study.cells[(system, arm)] for arm in study.arms(system)}
    found = {name: attribute(cells, config.design, name) for name in AGGREGATORS}
    primary = found[config.level(study.family)]
    if primary is None:
        return None
    shares = {name: attribution_json(parts, config) for name, parts in found.items() if parts}
    told = shares[config.level(study.family)]
    return {
        "arms": dict(primary.arms),
        "gaps": shares,
        "checks": {
            arm: [vars(check) for check in _checks(study, system, arm, config)]
            for arm in study.arms(system)
            if arm in (config.design.context, config.design.exposure, config.design.swapped)
        },
        "reading": list(readings(primary, told, config)),
    }


def attribution_json(parts: Attribution, config: AnalysisConfig) -> Json:
    """The shares of one gap, with simultaneous intervals."""
    whole = [e.shapley for e in parts.effects.values() if e.shapley is not None]
    t = math.nan
    if len(whole) and len(whole[0]) > 1:
        t = max_t_quantile(np.column_stack(whole), config.resamples, config.seed, config.alpha)
    return {
        "total": interval_json(interval(parts.total, config.alpha)),
        "shares": {n: _share(e, parts, t, config) for n, e in parts.effects.items()},
        "interactions": {k: _claim(v, config) for k, v in parts.interactions.items()},
        "exposure_split": {k: _claim(v, config) for k, v in parts.split.items()} or None,
    }


def _claim(statistic: Statistic, config: AnalysisConfig) -> Json:
    """An interval, and whether the effect is shown to lie within the margin."""
    same = equivalence(statistic, config.margin, config.alpha)
    return {
        **interval_json(interval(statistic, config.alpha)),
        "equivalent": same.equivalent,
        "p_equivalence": same.p,
    }


def _share(found: Effect, parts: Attribution, t: float, config: AnalysisConfig) -> Json:
    orders = {"first": found.first, "last": found.last}
    entry: Json = {
        "shapley": None,
        **{
            k: None if v is None else _claim(contrast(v, parts.replicates), config)
            for k, v in orders.items()
        },
        "least": found.least,
        "most": found.most,
        "separable": found.separable,
    }
    if found.shapley is not None:
        shapley = contrast(found.shapley, parts.replicates)
        entry["shapley"] = {
            **_claim(shapley, config),
            **_simultaneous(shapley, t),
            "of_gap": _of_gap(shapley, parts.total, config.alpha),
        }
    return entry


def _simultaneous(shapley: Statistic, t: float) -> Json:
    """Bounds that hold for all factors of the gap at once."""
    d = shapley.sample
    half = t * float(d.std(ddof=1)) / math.sqrt(len(d)) if len(d) > 1 else math.nan
    half = half if half > 0 else math.nan
    return {"simultaneous_low": d.mean() - half, "simultaneous_high": d.mean() + half}


def _of_gap(part: Statistic, total: Statistic, alpha: float) -> Json | None:
    ratio = ratio_of_means(part, total, alpha)
    return None if ratio is None else interval_json(ratio)


def _checks(study: Study, system: str, arm: str, config: AnalysisConfig) -> Iterator[Check]:
    cells = {name: study.raw[(system, name)] for name in study.arms(system)}
    design = config.design
    if arm == design.exposure:
        yield checks.is_short(cells[arm], cells[PARALLEL], cells[SEQUENTIAL])
        rate = study.cells[(system, arm)].levels["repeat_rate"].values
        question = "Does its chain repeat itself beyond chance (lower bound)?"
        yield _beyond_chance(question, rate, study, system, config.alpha)
    else:
        yield checks.has_its_length(cells[arm], cells[SEQUENTIAL], SEQUENTIAL)
    if arm == design.swapped and design.shown in cells:
        yield checks.shows_others(cells[arm], cells[design.shown])
        rate = checks.shown_copies(cells[arm], cells[design.shown])
        question = "Does it give answers it was shown beyond chance (lower bound)?"
        yield _beyond_chance(question, rate, study, system, config.alpha)


def _beyond_chance(
    question: str, rate: np.ndarray, study: Study, system: str, alpha: float
) -> Check:
    """rate: [problem]; chance: that an independent draw is among as many earlier ones."""
    parallel = study.cells[(system, PARALLEL)]
    pool, runs = parallel.pool, parallel.levels["repeat_rate"].replicates
    if pool is None or pool.baseline.shape[1] < 2:
        return Check(question, math.nan, None)
    low = interval(contrast(rate - pool.baseline[:, 1:].mean(axis=1), runs), alpha).low
    return Check(question, low, None if math.isnan(low) else low > 0)


# --- in words


_NAMES = {
    "aggregator": "the aggregator",
    "context": "the longer context",
    "exposure": "exposure to the earlier answers",
}


def readings(parts: Attribution, told: Json, config: AnalysisConfig) -> Iterator[str]:
    """What can be concluded of the gap, and what cannot, one sentence each."""
    if not told["total"]["n"]:
        yield "Nothing can be said: no problem has all the attempts it needs in every arm."
        return
    shares: Mapping[str, Json] = told["shares"]
    if all(share["shapley"] for share in shares.values()):
        for name, share in shares.items():
            yield _whole_reading(_NAMES[name], share, config.margin)
        return
    yield from _partial_readings(parts, shares, told["total"], config)


def _whole_reading(name: str, share: Json, margin: float) -> str:
    found = share["shapley"]
    said = f"{_points(found)} of the gap"
    if found["equivalent"]:
        return f"Not {name}: {said}, shown to be within {_number(margin)} points of none."
    if not share["separable"]:
        ends = f"{_number(share['least'])} to {_number(share['most'])} points"
        return f"{capitalized(name)} cannot be separated from the rest: {ends} by the order."
    if found["simultaneous_low"] > 0:
        return f"{capitalized(name)} accounts for {said}."
    if found["simultaneous_high"] < 0:
        return f"{capitalized(name)} helps: {said}."
    return f"That {name} matters is not shown: {said}."


def _partial_readings(
    parts: Attribution, shares: Mapping[str, Json], total: Json, config: AnalysisConfig
) -> Iterator[str]:
    context, exposure = shares["context"], shares["exposure"]
    if parts.arms["context"]:
        yield _alone("the longer context", context["first"], config.margin)
        yield (
            f"On top of it, exposure to the earlier answers costs {_points(exposure['last'])}; "
            f"what exposure costs without the length needs an arm {config.design.exposure!r}."
        )
    elif parts.arms["exposure"]:
        yield _alone("exposure to the earlier answers", exposure["first"], config.margin)
        yield (
            f"On top of it, the length of the context costs {_points(context['last'])}; what "
            f"length costs without the answers needs an arm {config.design.context!r}."
        )
    else:
        yield (
            f"Context and exposure are not told apart: no arm {config.design.context!r} or "
            f"{config.design.exposure!r} was sampled."
        )
    if "aggregator" in shares:
        last = shares["aggregator"]["last"]
        yield (
            f"Of the gap of {_points(total)}, the last answer in place of a vote is "
            f"{_points(last)}."
        )


def _alone(name: str, found: Json, margin: float) -> str:
    if found["equivalent"]:
        within = f"shown to be within {_number(margin)} points of none"
        return f"Not {name} by itself: it costs {_points(found)}, {within}."
    if found["low"] > 0:
        return f"{capitalized(name)} by itself costs {_points(found)}."
    if found["high"] < 0:
        return f"{capitalized(name)} by itself helps: it costs {_points(found)}."
    return f"That {name} by itself costs accuracy is not shown: {_points(found)}."


def _points(found: Json) -> str:
    ends = f"{_number(found['low'])} to {_number(found['high'])}"
    return f"{_number(found['estimate'])} points ({ends})"


def _number(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"
