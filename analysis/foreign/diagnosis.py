"""What the records at hand allow to be concluded, and what they do not, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.study import PARALLEL, SEQUENTIAL
from analysis.table import FINISHES, Cell, build_table
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


def diagnose(attempts: Iterable[Attempt]) -> Diagnosis:
    """Look through the records before any statistic is made of them.

    Raises:
        UsageError: no records.
    """
    table = build_table(attempts)
    found = [_cell_line(key, cell) for key, cell in sorted(table.cells.items())]
    can, cannot = [], []
    for family in sorted(table.problems):
        cells = {(s, arm): c for (f, s, arm), c in sorted(table.cells.items()) if f == family}
        more, less = _pairs(family, cells)
        can += more
        cannot += [*less, *_one_by_one(family, cells, table.steps)]
    return Diagnosis(tuple(found), tuple(can), tuple(cannot))


def _cell_line(key: tuple[str, str, str], cell: Cell) -> str:
    family, system, arm = key
    per_problem = cell.present.sum(axis=(1, 2))
    some = per_problem[per_problem > 0]
    counts = f"{some.min()}" if some.min() == some.max() else f"{some.min()} to {some.max()}"
    graded = float((~np.isnan(cell.correct))[cell.present].mean())
    return (
        f"{family}: {system}/{arm}: {len(some)} problems, {counts} attempts each, "
        f"{100 * graded:.0f} % graded"
    )


Cells = dict[tuple[str, str], Cell]


def _graded(cell: Cell) -> NDArray[np.bool_]:
    return np.logical_or.reduce(~np.isnan(cell.correct), axis=(1, 2))


def _pairs(family: str, cells: Cells) -> tuple[list[str], list[str]]:
    """Which gaps and which changes of a gap the arms allow."""
    can, cannot = [], []
    gaps: dict[str, NDArray[np.bool_]] = {}
    for system in dict.fromkeys(name for name, _ in cells):
        sides = [cells.get((system, arm)) for arm in (PARALLEL, SEQUENTIAL)]
        if sides[0] is None or sides[1] is None:
            missing = PARALLEL if sides[0] is None else SEQUENTIAL
            cannot.append(f"{family}: no gap of {system}: it has no {missing} arm")
            continue
        shared = _graded(sides[0]) & _graded(sides[1])
        if not shared.any():
            cannot.append(f"{family}: no gap of {system}: its arms share no graded problem")
            continue
        gaps[system] = shared
        can.append(f"{family}: the gap of {system}, on {shared.sum()} shared problems")
    names = list(gaps)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = int((gaps[one] & gaps[other]).sum())
            if both:
                can.append(f"{family}: {one} against {other}, on {both} shared problems")
            else:
                cannot.append(
                    f"{family}: {one} against {other}: their problem sets do not overlap, so no "
                    "paired comparison; compare their levels with care"
                )
    return can, cannot


def _one_by_one(family: str, cells: Cells, steps: int) -> Iterator[str]:
    problems = max(int(_graded(cell).sum()) for cell in cells.values())
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
    graded = ~np.isnan(cell.correct)
    started = np.logical_or.reduce(cell.present, axis=(1, 2))
    if arm == PARALLEL:
        n = graded.sum(axis=(1, 2))[started]
        short, thin = int((n < steps).sum()), int((n < 2 * steps).sum())
        if short:
            yield f"{short} problems have fewer than N = {steps} graded attempts, left out at N"
        elif thin:
            yield (
                f"{thin} problems have fewer than 2 N = {2 * steps} graded attempts, so coverage "
                "at N has no interval for these very problems; a smaller --attempts has one"
            )
        return
    whole = np.logical_and.reduce(graded, axis=2)
    broken = int((started & (whole.sum(axis=1) == 0)).sum())
    if broken:
        yield f"{broken} problems have no whole chain of N = {steps} graded attempts, left out at N"
    chains = whole.sum(axis=1)[started]
    if len(chains) and chains.max() < 2:
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
