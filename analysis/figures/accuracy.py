"""Accuracy by attempt."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.figures.drawing import groups_legend, plot, steps_axis, two_columns
from analysis.figures.reading import Group, Json, curve, families, groups, has

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def accuracy_by_step(summary: Json) -> "Figure | None":
    """Share of attempts k that are correct; left parallel, right sequential; a row per family."""
    drawn = groups(summary)
    found = {n: f for n, f in families(summary).items() if has(f, drawn, "accuracy")}
    if not found:
        return None
    figure, panels = two_columns(len(found), 1.55)
    for row, (name, family) in zip(panels, found.items(), strict=True):
        for axes, arm in zip(row, ("parallel", "sequential"), strict=True):
            _draw_groups(axes, family, drawn, arm)
            axes.set_title(f"{name}, {arm}" if len(found) > 1 else arm)
            axes.label_outer()
        row[0].set_ylabel("accuracy, %")
    for axes in panels[-1]:
        steps_axis(axes, "attempt")
    groups_legend(figure, drawn)
    return figure


def _draw_groups(axes: "Axes", family: Json, drawn: Sequence[Group], arm: str) -> None:
    for group in drawn:
        for system in group.systems:
            found = curve(family, system, arm, "accuracy")
            plot(axes, found, group.colour, group.dash, bands=len(group.systems))
