"""What the records of a family allow to be concluded, and what they do not, in sentences."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.config import AUC, PARALLEL, SEQUENTIAL
from analysis.numbers import Json
from analysis.study import Study
from analysis.table import FINISHES, Cell
from analysis.words import counted, listed, percent

Booleans = NDArray[np.bool_]
Arm = tuple[str, str]
"""System, arm."""

_FEW = 30
_NAMED = 3
"""Arms that a sentence names; further ones it counts."""


def diagnosis_json(study: Study, primary: str, adapters: Collection[str]) -> Json:
    """adapters: the systems that are one; such a one may be all right, and its gap is then closed.

    found: what there is; can, cannot: what can be concluded from it and what cannot, the gravest
    first. A sentence that holds of several arms is said once."""
    steps = next(iter(study.raw.values())).correct.shape[2]
    gaps, no_gap = _gaps(study, primary, steps, adapters)
    can, apart = _comparisons(gaps)
    limits = {
        arm: list(_cell_limits(cell, arm[1], steps, study.of_files))
        for arm, cell in study.raw.items()
    }
    return {
        "found": _said({arm: [_held(cell)] for arm, cell in study.raw.items()}),
        "can": [*_of_gaps(gaps), *can],
        "cannot": [*no_gap, *apart, *_few(study.raw), *_said(limits)],
    }


def _said(of_arms: Mapping[Arm, Iterable[str]]) -> list[str]:
    """Each sentence once, after the arms that it holds of."""
    arms: dict[str, list[Arm]] = defaultdict(list)
    for arm, sentences in of_arms.items():
        for sentence in sentences:
            arms[sentence].append(arm)
    return [f"{_places(found, list(of_arms))}: {said}" for said, found in arms.items()]


def _places(found: Sequence[Arm], every: Sequence[Arm]) -> str:
    named = [f"{system}/{arm}" for system, arm in found]
    if len(named) <= _NAMED:
        return listed(named)
    chains = [key for key in every if key[1] != PARALLEL]
    pools = [key for key in every if key[1] == PARALLEL]
    for said, arms in (("arm", every), ("parallel arm", pools), ("arm but parallel", chains)):
        if found == arms:
            return f"every {said}"
    return f"{named[0]} and {counted(len(named) - 1, 'other arm')}"


def _held(cell: Cell) -> str:
    per_problem = cell.present.sum(axis=(1, 2))
    some = per_problem[per_problem > 0]
    if not len(some):
        return "no attempt came to its end"
    attempts = counted(int(some.max()), "attempt")
    if some.min() < some.max():
        attempts = f"{some.min()} to {attempts}"
    graded = float((~np.isnan(cell.correct))[cell.present].mean())
    return f"{counted(len(some), 'problem')}, {attempts} each, {100 * graded:.0f} % graded"


def _gaps(
    study: Study, primary: str, steps: int, adapters: Collection[str]
) -> tuple[dict[str, Booleans], list[str]]:
    """System -> [problem] where it has a gap; and why others have none."""
    gaps: dict[str, Booleans] = {}
    cannot = []
    for system in study.systems:
        sides = [study.raw.get((system, arm)) for arm in (PARALLEL, SEQUENTIAL)]
        if sides[0] is None or sides[1] is None:
            missing = PARALLEL if sides[0] is None else SEQUENTIAL
            cannot.append(f"no gap of {system}: {_no_arm(study, system, missing)}")
            continue
        known, outcomes = study.contrasts["gap", system, primary].known, _outcomes(sides)
        if not known.any():
            cannot.append(f"no gap of {system} at N = {steps}: {_no_problem(primary)}")
        elif len(outcomes) == 1 and system not in adapters:
            kind = "right, at the ceiling" if outcomes == {1.0} else "wrong"
            cannot.append(
                f"no gap can show of {system}: every graded attempt of both arms is {kind}"
            )
        else:
            gaps[system] = known
    return gaps, cannot


def _outcomes(cells: Iterable[Cell | None]) -> set[float]:
    """The grades that there are: 0, 1 or both."""
    found = [cell.correct[cell.present] for cell in cells if cell is not None]
    return {float(grade) for grades in found for grade in np.unique(grades[~np.isnan(grades)])}


def _no_arm(study: Study, system: str, missing: str) -> str:
    seen = study.arms(system)
    said = f"it has no {missing} arm; arms seen: {', '.join(seen)}"
    if not study.of_files or not set(seen) - {PARALLEL, SEQUENTIAL}:
        return said
    return f"{said}; in the column of the arm, call the two of the gap {PARALLEL} and {SEQUENTIAL}"


def _no_problem(primary: str) -> str:
    if primary in AUC:
        return "token counts are missing, or its arms share no problem and no budget"
    return "its arms share no problem with N graded parallel attempts and a whole graded chain"


def _of_gaps(gaps: Mapping[str, Booleans]) -> Iterator[str]:
    sizes: dict[int, list[str]] = defaultdict(list)
    for system, known in gaps.items():
        sizes[int(known.sum())].append(system)
    for size, systems in sizes.items():
        each = ", each on" if len(systems) > 1 else ", on"
        yield f"the gap of {listed(systems)}{each} {counted(size, 'shared problem')}"


def _comparisons(gaps: Mapping[str, Booleans]) -> tuple[list[str], list[str]]:
    """Which systems can be compared problem by problem, and which cannot."""
    sizes: dict[int, list[str]] = defaultdict(list)
    for one, other in combinations(gaps, 2):
        sizes[int((gaps[one] & gaps[other]).sum())].append(f"{one} against {other}")
    apart = [
        f"{pair}: their problem sets do not overlap, so no paired comparison; compare their levels "
        "with care"
        for pair in sizes.pop(0, [])
    ]
    pairs = {size: listed(found) for size, found in sizes.items()}
    if len(gaps) > 2 and len(pairs) == 1 and not apart:
        pairs = dict.fromkeys(pairs, f"{listed(list(gaps))} against each other")
    return [f"{who}, on {counted(n, 'shared problem')}" for n, who in pairs.items()], apart


def _few(cells: Mapping[Arm, Cell]) -> Iterator[str]:
    problems = max(int(_usable(cell, arm).sum()) for (_, arm), cell in cells.items())
    if problems == 1:
        yield "one problem says nothing about problems like it"
    elif 1 < problems < _FEW:
        yield f"{problems} problems: intervals will be wide, CLOSED is out of reach"


def _settled(cell: Cell) -> Booleans:
    """Graded, or left without a grade by the budget of tokens, which no question of data is."""
    return ~np.isnan(cell.correct) | cell.short


def _usable(cell: Cell, arm: str) -> Booleans:
    """[problem] N graded attempts in parallel, of any other arm a whole graded chain of N."""
    settled, n = _settled(cell), cell.correct.shape[2]
    if arm == PARALLEL:
        return settled.sum(axis=(1, 2)) >= n
    return np.logical_or.reduce(np.logical_and.reduce(settled, axis=2), axis=1)


def _cell_limits(cell: Cell, arm: str, steps: int, of_files: bool) -> Iterator[str]:
    outcomes = _outcomes([cell])
    if not outcomes:
        yield "no attempt is graded, so no accuracy"
        return
    if len(outcomes) == 1:
        yield f"every graded attempt is {'right' if outcomes == {1.0} else 'wrong'}"
    yield from _missing(cell, arm, steps, of_files)
    failed = float((cell.finish[cell.present] == FINISHES.index("error")).mean())
    if failed:
        yield f"{percent(failed)} of attempts failed, read as wrong; a fault of one arm tilts it"
    if not (cell.answer[cell.present] >= 0).any():
        yield "no answers: no majority vote and no repeat rates, only accuracy and coverage"
    for name, values in cell.marks.items():
        if lacking := float(np.isnan(values[cell.present]).mean()):
            yield f"{percent(lacking)} of attempts have no {name}: they are never chosen by it"
    if np.isnan(cell.tokens["thinking"] + cell.tokens["answer"])[cell.present].all():
        yield "no token counts: no comparison at equal compute, attempts only"


def _missing(cell: Cell, arm: str, steps: int, of_files: bool) -> Iterator[str]:
    started = np.logical_or.reduce(cell.present, axis=(1, 2))
    lacking = counted(int((started & ~_usable(cell, arm)).sum()), "problem")
    whole = lacking.startswith("0 ")
    if arm == PARALLEL:
        thin = int((_settled(cell).sum(axis=(1, 2))[started] < 2 * steps).sum())
        if not whole:
            yield f"{lacking} with fewer than N = {steps} graded attempts, left out at N"
        elif thin and steps > 1:
            more = "a smaller --attempts has" if of_files else "more replicates have"
            yield (
                f"{counted(thin, 'problem')} with fewer than 2 N = {2 * steps} graded attempts, so "
                f"coverage at N has no interval for these very problems; {more} one"
            )
        return
    if not whole:
        yield f"{lacking} without a whole chain of N = {steps} graded attempts, left out at N"
    chains = np.logical_and.reduce(_settled(cell), axis=2).sum(axis=1)[started]
    chains = chains[chains > 0]
    if len(chains) and chains.max() == 1:
        yield "one chain per problem: noise within problems cannot be told from differences"
    elif len(chains) and chains.min() < chains.max():
        yield (
            f"{chains.min()} to {chains.max()} whole chains per problem: each problem counts "
            "alike, those with fewer chains with more noise"
        )
