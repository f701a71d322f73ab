"""The contrasts of one family: gaps, their changes under adapters, controls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.answers import lack_answers, without_answers
from analysis.cells import CellStatistics, Costs, chain_statistics, costs, parallel_statistics
from analysis.config import AGGREGATORS, AUC, PARALLEL, SEQUENTIAL, SystemInfo
from analysis.embeddings import trace_levels
from analysis.matching import auc_contrast
from analysis.statistic import Statistic
from analysis.table import Cell, Table
from analysis.words import counted, percent
from sample.records import TRACE

MANY_CUT_OFF = 0.1
"""Share of attempts without an answer from which on the token limit, not the model, is measured."""

Key = tuple[str, ...]
"""("gap", system, aggregator), ("control", arm), or ("gap_base" | "gap_adapted" | "did" |
"parallel_change" | "sequential_change", adapter, aggregator); a primary of AUC counts as one."""


@dataclass(frozen=True)
class Study:
    """One family. problems: ids, as in every array. raw, cells: (system, arm) -> attempts and their
    statistics. contrasts: what inference is wanted for. of_files: others made the records, so no
    config stands behind them that asks for more. traced: traces were graded."""

    family: str
    problems: tuple[str, ...]
    raw: Mapping[tuple[str, str], Cell]
    cells: Mapping[tuple[str, str], CellStatistics]
    costs: Mapping[tuple[str, str], Costs]
    contrasts: Mapping[Key, Statistic]
    warnings: tuple[str, ...]
    of_files: bool
    traced: bool = False

    @property
    def systems(self) -> list[str]:
        return list(dict.fromkeys(system for system, _ in self.cells))

    def arms(self, system: str) -> list[str]:
        """The pair of the gap first, then the controls by name."""
        arms = [arm for name, arm in self.cells if name == system]
        return sorted(arms, key=lambda arm: (arm != PARALLEL, arm != SEQUENTIAL, arm))


def build_study(
    table: Table,
    family: str,
    systems: Mapping[str, SystemInfo],
    base: str,
    primary: str,
    explored: bool = True,
    vectors: NDArray[np.float64] | None = None,
) -> Study:
    """Statistics of every cell of a family, and every contrast between them.

    explored: see ``analysis.cells.parallel_statistics``. vectors: of the trace of each record, see
    ``analysis.embeddings``.
    """
    keys = [(system, arm) for name, system, arm in table.cells if name == family]
    keys.sort(key=lambda key: (key[0] != base, systems[key[0]].base is not None, key))
    raw = {key: table.cells[(family, *key)] for key in keys}
    cells = {
        key: _statistics(cell, key[1] == PARALLEL, explored, vectors) for key, cell in raw.items()
    }
    silent = lack_answers(raw.values())
    if silent:
        cells = {key: without_answers(cell) for key, cell in cells.items()}
    study = Study(
        family,
        table.problems[family],
        raw,
        cells,
        {k: costs(c) for k, c in raw.items()},
        {},
        (),
        not any(table.configs),
        TRACE in table.graded.get(family, ()),
    )
    contrasts, warnings = contrasts_of(study, systems, base, primary)
    if silent:
        warnings.insert(
            0,
            f"{family}: no attempt has an answer, so no vote, repeats or distinct answers; judged "
            f"by {primary}",
        )
    said = (*warnings, *_data_warnings(study))
    return replace(study, contrasts=contrasts, warnings=said)


def contrasts_of(
    study: Study, systems: Mapping[str, SystemInfo], base: str, primary: str
) -> tuple[dict[Key, Statistic], list[str]]:
    """Every contrast between the cells of a study, and what is to be said of them."""
    contrasts: dict[Key, Statistic] = {}
    warnings: list[str] = []
    for system in study.systems:
        contrasts.update(_gaps(study, system, primary, warnings))
    for system in study.systems:
        contrasts.update(_adapter(study, systems[system], contrasts, primary, warnings))
    contrasts.update(_controls(study, base, primary))
    return contrasts, warnings


def _statistics(
    cell: Cell, pooled: bool, explored: bool, vectors: NDArray[np.float64] | None
) -> CellStatistics:
    found = (parallel_statistics if pooled else chain_statistics)(cell, explored)
    if vectors is None:
        return found
    return replace(found, levels={**found.levels, **trace_levels(cell, vectors, pooled)})


def parallel_level(cell: CellStatistics, aggregator: str) -> Statistic:
    """The parallel side of a gap: parallel has no last answer, so "last" faces its majority."""
    return cell.levels["majority" if aggregator == "last" else aggregator]


def _difference(study: Study, one: tuple[str, str], other: tuple[str, str], name: str) -> Statistic:
    """Cell one minus the other under an aggregator, or a primary of AUC."""
    if name in AUC:
        return auc_contrast(study.raw[one], study.raw[other], (one[1], other[1]), name)
    sides = (
        parallel_level(study.cells[key], name)
        if key[1] == PARALLEL
        else study.cells[key].levels[name]
        for key in (one, other)
    )
    return next(sides) - next(sides)


def compared(primary: str) -> tuple[str, ...]:
    """The aggregators that gaps are given under: the usual ones, and the primary."""
    return tuple(dict.fromkeys((*AGGREGATORS, primary)))


def _gaps(study: Study, system: str, primary: str, warnings: list[str]) -> dict[Key, Statistic]:
    parallel = study.cells.get((system, PARALLEL))
    sequential = study.cells.get((system, SEQUENTIAL))
    if parallel is None or sequential is None:
        return {}
    pair = (system, PARALLEL), (system, SEQUENTIAL)
    gaps: dict[Key, Statistic] = {
        ("gap", system, name): _difference(study, *pair, name) for name in compared(primary)
    }
    sides = (parallel.levels["accuracy"].known, sequential.levels["accuracy"].known)
    if (sides[0] != sides[1]).any():
        warnings.append(
            f"{study.family}: {system} has {sides[0].sum()} problems in parallel and "
            f"{sides[1].sum()} in sequential; the gap uses the {(sides[0] & sides[1]).sum()} shared"
        )
    lost = int((sides[0] & sides[1] & ~gaps["gap", system, primary].known).sum())
    if primary in AUC and lost:
        warnings.append(
            f"{study.family}: {system} has no {primary} on {lost} problems: token counts are "
            "missing, or its arms share no budget there"
        )
    return gaps


def _adapter(
    study: Study,
    info: SystemInfo,
    gaps: Mapping[Key, Statistic],
    primary: str,
    warnings: list[str],
) -> dict[Key, Statistic]:
    """The change of every gap, on the problems that all four cells have."""
    if info.base is None or ("gap", info.name, primary) not in gaps:
        return {}
    if ("gap", info.base, primary) not in gaps:
        warnings.append(f"{study.family}: {info.base}, the base of {info.name}, has no gap")
        return {}
    found: dict[Key, Statistic] = {}
    for name in compared(primary):
        base, adapted = gaps[("gap", info.base, name)], gaps[("gap", info.name, name)]
        shared = base.known & adapted.known
        found[("gap_base", info.name, name)] = base.only(shared)
        found[("gap_adapted", info.name, name)] = adapted.only(shared)
        found[("did", info.name, name)] = base - adapted
        if name == primary:
            found.update(_changes(study, info, name, shared))
            _warn_if_dropped(study.family, info, base.known, adapted.known, warnings)
    return found


def _changes(
    study: Study, info: SystemInfo, name: str, shared: NDArray[np.bool_]
) -> dict[Key, Statistic]:
    base, adapted = str(info.base), info.name
    return {
        (f"{arm}_change", adapted, name): _difference(
            study, (adapted, arm), (base, arm), name
        ).only(shared)
        for arm in (PARALLEL, SEQUENTIAL)
    }


def _warn_if_dropped(
    family: str,
    info: SystemInfo,
    base: NDArray[np.bool_],
    adapted: NDArray[np.bool_],
    warnings: list[str],
) -> None:
    if (base != adapted).any():
        warnings.append(
            f"{family}: {info.base} has a gap on {base.sum()} problems, {info.name} on "
            f"{adapted.sum()}; their comparison uses the {(base & adapted).sum()} shared"
        )


def _controls(study: Study, base: str, primary: str) -> dict[Key, Statistic]:
    """Parallel minus every other arm of the base, on the primary aggregator."""
    if (base, PARALLEL) not in study.cells:
        return {}
    return {
        ("control", arm): _difference(study, (base, PARALLEL), (base, arm), primary)
        for arm in study.arms(base)
        if arm not in (PARALLEL, SEQUENTIAL)
    }


def _data_warnings(study: Study) -> list[str]:
    """Ungraded, cut off and missing attempts, per cell, where there are any."""
    said = []
    for (system, arm), cost in study.costs.items():
        place = f"{study.family}: {system}/{arm}"
        if cost.ungraded:
            said.append(f"{place}: {percent(cost.ungraded)} of attempts not graded, left out")
        if cost.finish["length"] > MANY_CUT_OFF:
            cut = percent(cost.finish["length"])
            read = "judged by their traces" if study.traced else "read as wrong"
            said.append(
                f"{place}: {cut} of attempts cut off, {read}; raise sample.decoding.max_new_tokens"
            )
        if cost.empty:
            said.append(
                f"{place}: {percent(cost.empty)} of chains ended no attempt within their budget of "
                "tokens, read as wrong"
            )
        if cost.skipped:
            share = percent(cost.skipped / (cost.skipped + cost.attempts))
            said.append(f"{place}: {share} of attempts skipped, not possible there, left out")
        if cost.missing and study.of_files:
            said.append(f"{place}: {_unequal(study.raw[system, arm])}")
        elif cost.missing:
            said.append(
                f"{place}: {counted(cost.missing, 'attempt')} missing; sampling is not finished"
            )
    return said


def _unequal(cell: Cell) -> str:
    counts = (cell.finish >= 0).sum(axis=(1, 2))
    least, most = counts[counts > 0].min(), counts.max()
    some = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"problems have {some} of {cell.finish[0].size} places for attempts filled; each problem "
        "counts alike, by the attempts it has: a pool by all of them, a chain up to its first hole"
    )
