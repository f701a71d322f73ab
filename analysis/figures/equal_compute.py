"""What a budget of generated tokens buys: parallel against sequential."""

from typing import TYPE_CHECKING, Any

from analysis.figures.drawing import legend, two_columns
from analysis.figures.panels import Panel, two_abreast
from analysis.figures.reading import Group, Json
from analysis.figures.style import PARALLEL, SEQUENTIAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDES = (("parallel", PARALLEL), ("sequential", SEQUENTIAL))


def equal_compute(summary: Json) -> "Figure | None":
    """Share of problems solved against generated tokens; a panel per family and method."""
    rows = two_abreast(summary, lambda family, group: bool(_curves(family, group)))
    if not rows:
        return None
    figure, panels = two_columns(len(rows), 1.3, same_x=False)
    for axes, panel in zip(panels.flat, [p for row in rows for p in row], strict=True):
        _draw(axes, panel)
    for row in panels:
        row[0].set_ylabel("solved, %")
    for axes in panels[-1]:
        axes.set_xlabel("generated tokens")
    panels[0][0].set_ylim(bottom=0)
    legend(figure, [(name, colour, "-") for name, colour in _SIDES])
    return figure


def _curves(family: Json, group: Group) -> list[Json]:
    entries = family.get("equal_compute") or {}
    found = [(entries.get(system) or {}).get("curve") for system in group.systems]
    return [curve for curve in found if curve]


def _draw(axes: "Axes", panel: Panel | None) -> None:
    if panel is None:
        axes.set_axis_off()
        return
    for curve in _curves(panel.family, panel.group):
        for name, colour in _SIDES:
            axes.plot(curve["tokens"], [100 * value for value in curve[name]], color=colour)
    _doublings_axis(axes)
    axes.set_title(f"{panel.name}: {panel.group.method}")


def _doublings_axis(axes: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2, numticks=5))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
