"""What a budget buys: parallel against sequential, over four costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.config import AUC
from analysis.figures.drawing import legend, plot
from analysis.figures.reading import Curve, Group, Json, families, groups
from analysis.figures.style import PARALLEL, SEQUENTIAL, WIDE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDES = (("parallel", PARALLEL), ("sequential", SEQUENTIAL))
_LABELS = {
    "generated": "generated tokens",
    "total": "all tokens",
    "cached": "all but cached tokens",
    "latency": "critical path, tokens",
}


def equal_compute(summary: Json) -> "Figure | None":
    """Solved, by the aggregator of the verdict, against each cost; a row per family and method."""
    return _figure(list(_rows(summary, coverage=False)))


def equal_compute_coverage(summary: Json) -> "Figure | None":
    """The same by coverage, of the families that are judged by another aggregator."""
    return _figure(list(_rows(summary, coverage=True)))


@dataclass(frozen=True)
class _Row:
    """costs: cost -> the curves of each system of the group."""

    family: str
    method: str
    aggregator: str
    costs: dict[str, list[Json]]


def _rows(summary: Json, *, coverage: bool) -> Iterator[_Row]:
    for name, family in families(summary).items():
        primary = str(family.get("primary"))
        level = AUC.get(primary, primary)
        if coverage and level == "coverage":
            continue
        aggregator = "coverage" if coverage else level
        for group in groups(summary):
            costs = {cost: _curves(family, group, aggregator, cost) for cost in _LABELS}
            if any(costs.values()):
                yield _Row(name, group.method, aggregator, costs)


def _curves(family: Json, group: Group, aggregator: str, cost: str) -> list[Json]:
    entries = family.get("equal_compute") or {}
    every = [((entries.get(system) or {}).get("curves") or {}) for system in group.systems]
    found = [(curves.get(aggregator) or {}).get(cost) for curves in every]
    return [curve for curve in found if curve]


def _figure(rows: Sequence[_Row]) -> "Figure | None":
    from matplotlib.figure import Figure

    costs = [cost for cost in _LABELS if any(row.costs[cost] for row in rows)]
    if not costs:
        return None
    figure = Figure(figsize=(WIDE, 1.15 * len(rows) + 0.45), layout="constrained")
    panels = figure.subplots(len(rows), len(costs), squeeze=False)
    scales: dict[str, Axes] = {}
    for row, line in zip(rows, panels, strict=True):
        for cost, axes in zip(costs, line, strict=True):
            if scales.setdefault(row.family, axes) is not axes:
                axes.sharey(scales[row.family])
            _draw(axes, row.costs[cost])
            axes.tick_params(labelleft=False)
        drawn = (axes for cost, axes in zip(costs, line, strict=True) if row.costs[cost])
        first = next(drawn, line[0])
        first.tick_params(labelleft=True)
        first.set_ylabel(f"{row.aggregator}, %")
        first.set_title(f"{row.family}: {row.method}")
    for cost, axes in zip(costs, panels[-1], strict=True):
        axes.set_xlabel(_LABELS[cost])
    legend(figure, [(name, colour, "-") for name, colour in _SIDES])
    return figure


def _draw(axes: "Axes", found: Sequence[Json]) -> None:
    if not found:
        axes.set_axis_off()
        return
    for curve in found:
        for arm, colour in _SIDES:
            values = curve[arm]
            columns = (np.array(values[key], dtype=float) for key in ("estimate", "low", "high"))
            drawn = Curve(np.array(curve["tokens"]), *columns)
            plot(axes, drawn, colour, bands=len(found))
    _doublings_axis(axes, [tokens for curve in found for tokens in curve["tokens"]])


def _doublings_axis(axes: Any, tokens: Sequence[float]) -> None:
    """A log2 axis, marked at powers of two where there are two of them, else at three budgets."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    low, high = min(tokens), max(tokens)
    first, last = np.ceil(np.log2(low)), np.floor(np.log2(high))
    marks = 2.0 ** np.arange(first, last + 1)
    marks = marks[:: -(-len(marks) // 4)] if len(marks) > 1 else np.geomspace(low, high, 3)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(marks.tolist()))
    axes.xaxis.set_major_formatter(FixedFormatter(_labels(marks.tolist())))
    axes.xaxis.set_minor_locator(NullLocator())


def _labels(marks: Sequence[float]) -> list[str]:
    """With as many decimals of thousands as tell them apart."""
    said = [_label(mark, 0) for mark in marks]
    return said if len(set(said)) == len(said) else [_label(mark, 2) for mark in marks]


def _label(tokens: float, digits: int) -> str:
    return f"{tokens / 1000:.{digits}f}k" if tokens >= 10_000 else f"{tokens:.{digits and 1}f}"
