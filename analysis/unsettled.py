"""How far verdicts hang on attempts whose outcome is not known: not graded, or failed.

Each of them is given an outcome, and the same estimators and tests run again. Attempts that the
budget of tokens did not allow, and skipped ones, have no outcome to give.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analysis.cells import CellStatistics, chain_statistics, parallel_statistics
from analysis.config import PARALLEL, SEQUENTIAL, SystemInfo
from analysis.numbers import Json
from analysis.study import Study, contrasts_of
from analysis.table import FINISHES, Cell
from analysis.verdict import Terms, Verdict, judge, judge_model, points, strength, withhold

_PAIR = (PARALLEL, SEQUENTIAL)
_MODEL = {
    "wrong": (0.0, 0.0),
    "right": (1.0, 1.0),
    "against_gap": (0.0, 1.0),
    "for_gap": (1.0, 0.0),
}
"""Case -> the outcome in parallel and in sequential."""
_ADAPTER = {
    "wrong": (0.0, 0.0, 0.0, 0.0),
    "right": (1.0, 1.0, 1.0, 1.0),
    "against_closing": (0.0, 1.0, 1.0, 0.0),
    "against_parallel": (1.0, 1.0, 0.0, 0.0),
}
"""Case -> the outcome in parallel and sequential of the base, then of the adapter."""
_WORDS = {
    "wrong": "all wrong",
    "right": "all right",
    "against_closing": "at their worst for it, arm by arm",
    "against_parallel": "right before training and wrong after it",
}

CellOf = Callable[[tuple[str, str], float], CellStatistics]


def unsettled_json(
    study: Study, systems: Mapping[str, SystemInfo], primary: str, terms: Terms
) -> Json:
    """System -> its verdict in every case; a system whose attempts all have an outcome is left
    out, and so is one without a gap."""
    counts = {key: int(is_open(cell).sum()) for key, cell in study.raw.items() if key[1] in _PAIR}

    @cache
    def cell_of(key: tuple[str, str], outcome: float) -> CellStatistics:
        if not counts[key]:
            return study.cells[key]
        statistics = parallel_statistics if key[1] == PARALLEL else chain_statistics
        return statistics(_settled(study.raw[key], outcome), explored=False)

    found: Json = {}
    for name in study.systems:
        base = systems[name].base
        keys = [(system, arm) for system in (base, name) if system for arm in _PAIR]
        attempts = sum(counts.get(key, 0) for key in keys)
        if attempts and all(key in counts for key in keys):
            cases = _cases(study, systems[name], keys, cell_of, primary, terms)
            found[name] = {
                "attempts": attempts, "cases": cases, "sentence": _sentence(attempts, cases)
            }  # fmt: skip
    return found


def is_open(cell: Cell) -> NDArray[np.bool_]:
    """[problem, replicate, step] attempts that were made, but whose outcome nobody knows."""
    failed = cell.finish == FINISHES.index("error")
    return (np.isnan(cell.correct) & cell.present) | failed


def _settled(cell: Cell, outcome: float) -> Cell:
    return replace(cell, correct=np.where(is_open(cell), outcome, cell.correct))


def _cases(
    study: Study,
    info: SystemInfo,
    keys: list[tuple[str, str]],
    cell_of: CellOf,
    primary: str,
    terms: Terms,
) -> Json:
    """Case -> the gap (of an adapter: what is left of it) and the verdict."""

    def settled(outcomes: tuple[float, ...]) -> Study:
        given = dict(zip(keys, outcomes, strict=True))
        raw = {key: _settled(study.raw[key], outcome) for key, outcome in given.items()}
        return replace(study, raw=raw, cells={key: cell_of(key, given[key]) for key in keys})

    cases = _ADAPTER if info.base else _MODEL
    return {
        case: _judged(settled(outcomes), info, primary, terms) for case, outcomes in cases.items()
    }


def _judged(study: Study, info: SystemInfo, primary: str, terms: Terms) -> Json:
    """study: with the cells of one case, and no others."""
    infos = {name: SystemInfo(name) for name in study.systems} | {info.name: info}
    contrasts, _ = contrasts_of(study, infos, study.systems[0], primary)
    if info.base is None:
        gap = contrasts["gap", info.name, primary]
        return {"gap": gap.estimate, "did": None, "verdict": judge_model(gap, terms).verdict}
    base, left, change = (
        contrasts[key, info.name, primary] for key in ("gap_base", "gap_adapted", "parallel_change")
    )
    verdict = judge(base, left, change, terms).verdict
    return {"gap": left.estimate, "did": (base - left).estimate, "verdict": verdict}


def _sentence(attempts: int, cases: Json) -> str:
    gaps = sorted(case["gap"] for case in cases.values())
    verdicts = {case["verdict"]: None for case in sorted(cases.values(), key=lambda c: c["gap"])}
    return (
        f"if {attempts} ungraded or failed attempts were all wrong, all right or at their worst: "
        f"gap {points(gaps[0])} to {points(gaps[-1])}, verdict {' or '.join(verdicts)}"
    )


def held_in_every_case(judged: Verdict, unsettled: Json | None) -> Verdict:
    """The verdict, or the weakest of the cases if it says that the gap closed and one denies it."""
    if unsettled is None or not judged.verdict.startswith("CLOSED"):
        return judged
    cases = unsettled["cases"]
    worst = min(cases, key=lambda case: strength(cases[case]["verdict"]))
    claim = judged.verdict.replace("_", " ")
    why = (
        f"That it is {claim} does not hold if the {unsettled['attempts']} ungraded or failed "
        f"attempts were {_WORDS[worst]}."
    )
    return withhold(judged, cases[worst]["verdict"], why)
