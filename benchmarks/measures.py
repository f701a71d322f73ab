"""What one simulated study says, beside what is true: by the toolkit, and by the usual practice.

The usual practice: binomial error bars over runs, as if problems were no clusters and arms not the
same problems; a difference that is not significant is none. Over all replicates, or over one run.
"""

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from analysis.attribution import Attribution, attribute
from analysis.causes import attribution_json, readings
from analysis.config import AnalysisConfig
from analysis.inference import infer
from analysis.study import Study, build_study
from analysis.table import Cell, Table
from analysis.verdict import judge, judge_model, terms_of
from analysis.votes import chain_votes
from benchmarks.scripted_studies import DESIGN, FAMILY, PAIR, SYSTEMS, Planted

Floats = NDArray[np.float64]
Outcome = dict[str, float]

_SAID = {
    "aggregator": "the aggregator",
    "context": "the longer context",
    "exposure": "exposure to the earlier answers",
}
_Z = -float(ndtri(0.025))


def settings(primary: str, resamples: int) -> AnalysisConfig:
    return AnalysisConfig(primary={FAMILY: primary}, resamples=resamples, design=DESIGN)


def study_of(table: Table, primary: str) -> Study:
    return build_study(table, FAMILY, SYSTEMS, "base", primary, explored=False)


def estimates(study: Study, primary: str) -> Outcome:
    """The quantities that are planted; linear in problems, so that their mean over studies is the
    truth."""
    shares = _attribution(study, primary).effects.items()
    return {
        "gap": study.contrasts["gap", "base", primary].estimate,
        "did": study.contrasts["did", "adapted", primary].estimate,
        **{name: float(np.mean(part.shapley)) for name, part in shares if part.shapley is not None},
    }


def _attribution(study: Study, primary: str) -> Attribution:
    cells = {arm: study.cells["base", arm] for arm in study.arms("base")}
    found = attribute(cells, DESIGN, primary)
    assert found is not None
    return found


# --- by the toolkit


def measure(
    table: Table, planted: Planted, truth: Outcome, fixed: Outcome, config: AnalysisConfig
) -> Outcome:
    """Intervals, tests and causes of one study: 1 where the name of the outcome is so, else 0.

    truth: for problems like these; fixed: "gap" and "did" for these very problems.
    """
    primary = planted.primary
    study = study_of(table, primary)
    keys = {"gap": ("gap", "base", primary), "did": ("did", "adapted", primary)}
    inferred = infer({key: study.contrasts[key] for key in keys.values()}, config)
    outcome = estimates(study, primary)
    for name, key in keys.items():
        said = inferred[key]
        outcome[f"{name} covered"] = said.interval.low <= truth[name] <= said.interval.high
        outcome[f"{name} covered, fixed"] = said.fixed.low <= fixed[name] <= said.fixed.high
        outcome[f"{name} covered, bootstrap"] = said.boot_low <= truth[name] <= said.boot_high
        outcome[f"{name} found"] = not said.interval.low <= 0 <= said.interval.high
        outcome[f"{name} found, flip"] = said.p_flip < config.alpha
    outcome["GAP"] = judge_model(study.contrasts[keys["gap"]], terms_of(config)).verdict == "GAP"
    outcome |= _causes(_attribution(study, primary), planted, truth, config)
    return outcome | naive(study, truth, planted)


def _causes(
    parts: Attribution, planted: Planted, truth: Outcome, config: AnalysisConfig
) -> Outcome:
    told = attribution_json(parts, config)
    shares = {name: share["shapley"] for name, share in told["shares"].items()}
    covered = all(
        share["simultaneous_low"] <= truth[name] <= share["simultaneous_high"]
        for name, share in shares.items()
    )
    named = _reading(list(readings(parts, told, config)))
    return {"shares covered": covered, **_named(*named, planted.causes)}


def _reading(sentences: list[str]) -> tuple[set[str], set[str]]:
    """The causes that the report names, and those that it rules out."""
    named, excluded = set(), set()
    for cause, words in _SAID.items():
        text = words[0].upper() + words[1:]
        named |= {cause for sentence in sentences if sentence.startswith(f"{text} accounts for")}
        excluded |= {cause for sentence in sentences if sentence.startswith(f"Not {words}:")}
    return named, excluded


def _named(named: set[str], excluded: set[str], causes: frozenset[str]) -> Outcome:
    return {
        "all causes named": causes <= named,
        "wrong cause named": bool(named - causes),
        "cause ruled out": bool(excluded & causes),
    }


def closed(table: Table, planted: Planted, config: AnalysisConfig) -> Outcome:
    """Whether the adapter is said to have closed the gap."""
    primary = planted.primary
    study = study_of(table, primary)
    names = ("gap_base", "gap_adapted", "parallel_change")
    base, adapted, parallel = (study.contrasts[name, "adapted", primary] for name in names)
    judged = judge(base, adapted, parallel, terms_of(config))
    outcome: Outcome = {"CLOSED": judged.verdict == "CLOSED"}
    for name, runs in _runs(study, primary):
        gaps = [_difference(runs, system, primary) for system in SYSTEMS]
        outcome[f"CLOSED, {name}"] = _significant(*gaps[0]) and not _significant(*gaps[1])
    return outcome


# --- by the usual practice


_RUNS = {"pooled": slice(None), "one run": slice(1)}
Runs = Mapping[tuple[str, str, str], Floats]
"""(system, arm, aggregator) -> [problem, run]."""


def naive(study: Study, truth: Outcome, planted: Planted) -> Outcome:
    """The same outcomes from unpaired binomial error bars."""
    outcome: Outcome = {}
    for name, runs in _runs(study, planted.primary):
        base, adapted = (_difference(runs, system, planted.primary) for system in SYSTEMS)
        did = base[0] - adapted[0], math.hypot(base[1], adapted[1])
        outcome[f"gap covered, {name}"] = _covers(base, truth["gap"])
        outcome[f"gap found, {name}"] = _significant(*base)
        outcome[f"did covered, {name}"] = _covers(did, truth["did"])
        outcome[f"did found, {name}"] = _significant(*did)
        shown = _one_at_a_time(runs, planted.primary)
        named = {cause for cause, (d, error) in shown.items() if d > _Z * error}
        excluded = {cause for cause, found in shown.items() if not _significant(*found)}
        said = _named(named, excluded, planted.causes)
        outcome |= {f"{key}, {name}": value for key, value in said.items()}
    return outcome


def _runs(study: Study, primary: str) -> Iterator[tuple[str, Runs]]:
    """All replicates as if they were problems of their own, then the first alone."""
    values: dict[tuple[str, str, str], Floats] = {}
    for (system, arm), cell in study.raw.items():
        for aggregator in {_of_parallel(primary), primary}:
            values[system, arm, aggregator] = _values(cell, aggregator)
    for name, runs in _RUNS.items():
        yield name, {key: value[:, runs] for key, value in values.items()}


def _of_parallel(primary: str) -> str:
    return "majority" if primary == "last" else primary


def _one_at_a_time(runs: Runs, primary: str) -> dict[str, tuple[float, float]]:
    """Parallel minus each control; of the aggregator, the vote of the chain minus its last."""
    same = _of_parallel(primary)
    parallel, sequential = (runs["base", arm, same] for arm in PAIR)
    found = {
        "context": _unpaired(parallel, runs["base", DESIGN.context, same]),
        "exposure": _unpaired(parallel, runs["base", DESIGN.exposure, same]),
    }
    if primary == "last":
        found["aggregator"] = _unpaired(sequential, runs["base", "sequential", "last"])
    return found


def _difference(runs: Runs, system: str, primary: str) -> tuple[float, float]:
    parallel = runs[system, "parallel", _of_parallel(primary)]
    return _unpaired(parallel, runs[system, "sequential", primary])


def _values(cell: Cell, aggregator: str) -> Floats:
    """[problem, run]."""
    if aggregator == "coverage":
        return (cell.correct == 1).any(axis=2).astype(float)
    if aggregator == "last":
        return cell.correct[:, :, -1]
    shape = cell.correct.shape
    flat = (cell.answer.reshape(-1, shape[2]), cell.correct.reshape(-1, shape[2]))
    return chain_votes(*flat).reshape(shape)[:, :, -1]


def _unpaired(one: Floats, other: Floats) -> tuple[float, float]:
    """Difference of two shares, and its binomial standard error over all runs of all problems."""
    p, q = float(one.mean()), float(other.mean())
    return p - q, math.sqrt(p * (1 - p) / one.size + q * (1 - q) / other.size)


def _covers(found: tuple[float, float], truth: float) -> bool:
    return abs(found[0] - truth) <= _Z * found[1]


def _significant(difference: float, error: float) -> bool:
    return abs(difference) > _Z * error


def mean(outcomes: list[Outcome]) -> Mapping[str, float]:
    return {key: float(np.mean([outcome[key] for outcome in outcomes])) for key in outcomes[0]}
