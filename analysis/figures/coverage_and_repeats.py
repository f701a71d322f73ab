"""Coverage and repeats by attempt: parallel against sequential in small panels, two abreast."""

from typing import TYPE_CHECKING

from analysis.figures.drawing import label_bottoms, legend, plot, two_columns
from analysis.figures.panels import Panel, two_abreast
from analysis.figures.reading import Json, curve, has
from analysis.figures.style import PARALLEL, SEQUENTIAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def coverage(summary: Json) -> "Figure | None":
    """Share of problems solved by any of k attempts; a panel per family and method."""
    return _pairs(summary, "coverage", "coverage, %", "attempts k", ("parallel", "sequential"))


def repeat_rate(summary: Json) -> "Figure | None":
    """Share of attempts that repeat an earlier answer of the chain, above independent draws."""
    labels = ("independent draws (parallel)", "sequential")
    return _pairs(summary, "repeat_rate", "repeats, %", "attempt", labels)


def _pairs(
    summary: Json, statistic: str, y_label: str, x_label: str, labels: tuple[str, str]
) -> "Figure | None":
    """Small multiples, two abreast: parallel against sequential, one panel per group."""
    rows = two_abreast(summary, lambda family, group: has(family, [group], statistic))
    if not rows:
        return None
    figure, panels = two_columns(len(rows), 1.3)
    for axes, panel in zip(panels.flat, [p for row in rows for p in row], strict=True):
        _draw_pair(axes, panel, statistic)
    for row in panels:
        row[0].set_ylabel(y_label)
    panels[0][0].set_ylim(bottom=0)
    label_bottoms(panels, x_label)
    legend(figure, [(labels[0], PARALLEL, "-"), (labels[1], SEQUENTIAL, "-")])
    return figure


def _draw_pair(axes: "Axes", panel: Panel | None, statistic: str) -> None:
    if panel is None:
        axes.set_axis_off()
        return
    for arm, colour in (("parallel", PARALLEL), ("sequential", SEQUENTIAL)):
        for system in panel.group.systems:
            found = curve(panel.family, system, arm, statistic)
            plot(axes, found, colour, bands=len(panel.group.systems))
    axes.set_title(f"{panel.name}: {panel.group.method}")
