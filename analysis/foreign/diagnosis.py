"""What the records at hand allow to be concluded, and what they do not, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.study import PARALLEL, SEQUENTIAL
from analysis.table import FINISHES, Cell, build_table
from analysis.words import counted
from sample.records import Attempt

if TYPE_CHECKING:
    from rich.console import Console

_FEW = 30


@dataclass(frozen=True)
class Diagnosis:
    """can, cannot: sentences, the gravest first; found: what there is, a line per cell."""

    found: tuple[str, ...]
    can: tuple[str, ...]
    cannot: tuple[str, ...]


def diagnose(attempts: Iterable[Attempt], notes: Iterable[str] = ()) -> Diagnosis:
    """Look through the records before any statistic is made of them.

    notes: what was left out of them when they were read.

    Raises:
        UsageError: no records.
    """
    table = build_table(attempts)
    found = [_cell_line(key, cell) for key, cell in sorted(table.cells.items())]
    can, cannot = [], []
    for family in sorted(table.problems):
        cells = {(s, arm): c for (f, s, arm), c in sorted(table.cells.items()) if f == family}
        more, less = _pairs(family, cells, table.steps)
        can += more
        cannot += [*less, *_one_by_one(family, cells, table.steps)]
    return Diagnosis((*found, *notes), tuple(can), tuple(cannot))


def _cell_line(key: tuple[str, str, str], cell: Cell) -> str:
    family, system, arm = key
    per_problem = cell.present.sum(axis=(1, 2))
    some = per_problem[per_problem > 0]
    attempts = counted(int(some.max()), "attempt")
    if some.min() < some.max():
        attempts = f"{some.min()} to {attempts}"
    graded = float((~np.isnan(cell.correct))[cell.present].mean())
    return (
        f"{family}: {system}/{arm}: {counted(len(some), 'problem')}, {attempts} each, "
        f"{100 * graded:.0f} % graded"
    )


Cells = dict[tuple[str, str], Cell]


def _settled(cell: Cell) -> NDArray[np.bool_]:
    """Graded, or left without a grade by the budget of tokens, which no question of data is."""
    return ~np.isnan(cell.correct) | cell.short


def _usable(cell: Cell, arm: str) -> NDArray[np.bool_]:
    """[problem] N graded attempts in parallel, of any other arm a whole graded chain of N."""
    settled, n = _settled(cell), cell.correct.shape[2]
    if arm == PARALLEL:
        return settled.sum(axis=(1, 2)) >= n
    return np.logical_or.reduce(np.logical_and.reduce(settled, axis=2), axis=1)


def _pairs(family: str, cells: Cells, steps: int) -> tuple[list[str], list[str]]:
    """Which gaps and which changes of a gap of N = ``steps`` attempts the arms allow."""
    can, cannot = [], []
    gaps: dict[str, NDArray[np.bool_]] = {}
    for system in dict.fromkeys(name for name, _ in cells):
        sides = [cells.get((system, arm)) for arm in (PARALLEL, SEQUENTIAL)]
        if sides[0] is None or sides[1] is None:
            missing = PARALLEL if sides[0] is None else SEQUENTIAL
            seen = [arm for name, arm in cells if name == system]
            cannot.append(f"{family}: no gap of {system}: {_no_arm(missing, seen)}")
            continue
        shared = _usable(sides[0], PARALLEL) & _usable(sides[1], SEQUENTIAL)
        if not shared.any():
            cannot.append(
                f"{family}: no gap of {system} at N = {steps}: its arms share no problem with N "
                "graded parallel attempts and a whole graded chain"
            )
            continue
        gaps[system] = shared
        shared_problems = counted(int(shared.sum()), "shared problem")
        can.append(f"{family}: the gap of {system}, on {shared_problems}")
    names = list(gaps)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = int((gaps[one] & gaps[other]).sum())
            if both:
                can.append(f"{family}: {one} against {other}, on {counted(both, 'shared problem')}")
            else:
                cannot.append(
                    f"{family}: {one} against {other}: their problem sets do not overlap, so no "
                    "paired comparison; compare their levels with care"
                )
    return can, cannot


def _no_arm(missing: str, seen: list[str]) -> str:
    said = f"it has no {missing} arm; arms seen: {', '.join(seen)}"
    if not set(seen) - {PARALLEL, SEQUENTIAL}:
        return said
    return f"{said}; in the column of the arm, call the two of the gap {PARALLEL} and {SEQUENTIAL}"


def _one_by_one(family: str, cells: Cells, steps: int) -> Iterator[str]:
    problems = max(int(_usable(cell, arm).sum()) for (_, arm), cell in cells.items())
    if problems == 1:
        yield f"{family}: one problem says nothing about problems like it"
    elif 1 < problems < _FEW:
        yield f"{family}: {problems} problems: intervals will be wide, CLOSED is out of reach"
    for (system, arm), cell in cells.items():
        place = f"{family}: {system}/{arm}"
        yield from (f"{place}: {said}" for said in _cell_limits(cell, arm, steps))


def _cell_limits(cell: Cell, arm: str, steps: int) -> Iterator[str]:
    values = cell.correct[cell.present]
    values = values[~np.isnan(values)]
    if len(values) == 0:
        yield "no attempt is graded, so no accuracy"
        return
    if values.min() == values.max():
        kind = "right: at the ceiling no gap can show" if values[0] else "wrong: no gap can show"
        yield f"every graded attempt is {kind}"
    yield from _missing(cell, arm, steps)
    failed = float((cell.finish[cell.present] == FINISHES.index("error")).mean())
    if failed:
        yield f"{100 * failed:.2g} % of attempts failed, read as wrong; a fault of one arm tilts it"
    if not (cell.answer[cell.present] >= 0).any():
        yield "no answers: no majority vote and no repeat rates, only accuracy and coverage"
    for name, values in cell.marks.items():
        if lacking := float(np.isnan(values[cell.present]).mean()):
            yield f"{100 * lacking:.2g} % of attempts have no {name}: they are never chosen by it"
    if np.isnan(cell.tokens["thinking"] + cell.tokens["answer"])[cell.present].all():
        yield "no token counts: no comparison at equal compute, attempts only"


def _missing(cell: Cell, arm: str, steps: int) -> Iterator[str]:
    started = np.logical_or.reduce(cell.present, axis=(1, 2))
    lacking = int((started & ~_usable(cell, arm)).sum())
    if arm == PARALLEL:
        thin = int((_settled(cell).sum(axis=(1, 2))[started] < 2 * steps).sum())
        if lacking:
            yield (
                f"{counted(lacking, 'problem')} with fewer than N = {steps} graded attempts, left "
                "out at N"
            )
        elif thin:
            yield (
                f"{counted(thin, 'problem')} with fewer than 2 N = {2 * steps} graded attempts, so "
                "coverage at N has no interval for these very problems; a smaller --attempts has "
                "one"
            )
        return
    if lacking:
        yield (
            f"{counted(lacking, 'problem')} without a whole chain of N = {steps} graded attempts, "
            "left out at N"
        )
    chains = np.logical_and.reduce(_settled(cell), axis=2).sum(axis=1)[started]
    if len(chains) and chains.max() == 1:
        yield "one chain per problem: noise within problems cannot be told from differences"


def show_diagnosis(found: Diagnosis, console: Console) -> None:
    """Print what is there, what can be concluded from it and what cannot."""
    from rich.markup import escape

    for title, sentences in (
        ("Records", found.found),
        ("Can be concluded", found.can),
        ("Cannot", found.cannot),
    ):
        if sentences:
            console.print(f"[bold]{title}[/]", highlight=False)
        for sentence in sentences:
            console.print(f"  {escape(sentence)}", highlight=False)
