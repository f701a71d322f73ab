"""What several figures draw in the same way."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.reading import Curve, Group
from analysis.figures.style import WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def two_columns(
    rows: int, height: float, *, same_x: bool = True, same_y: bool = True
) -> tuple["Figure", Any]:
    """A figure and its panels (rows x 2). height: of a row, inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height * rows + 0.45), layout="constrained")
    return figure, figure.subplots(rows, 2, squeeze=False, sharex=same_x, sharey=same_y)


def plot(axes: "Axes", found: Curve, colour: str, dash: Any = "-", bands: int = 1) -> None:
    """bands: how many bands of this colour will lie over each other."""
    axes.plot(found.k, 100 * found.estimate, color=colour, linestyle=dash, solid_capstyle="round")
    low, high = 100 * found.low, 100 * found.high
    alpha = 0.2 / math.sqrt(bands)
    axes.fill_between(found.k, low, high, color=colour, alpha=alpha, linewidth=0)


def steps_axis(axes: "Axes", label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=2))
    axes.set_xlabel(label)


def label_bottoms(panels: Any, label: str) -> None:
    """The step axis under the lowest panel of each column."""
    for column in panels.T:
        lowest = [axes for axes in column if axes.axison][-1:]
        for axes in lowest:
            steps_axis(axes, label)
            axes.tick_params(labelbottom=True)


def groups_legend(figure: "Figure", drawn: Sequence[Group]) -> None:
    legend(figure, [(group.label, group.colour, group.dash) for group in drawn])


def legend(figure: "Figure", entries: Sequence[tuple[str, str, Any]]) -> None:
    """entries: (label, colour, dash) of each line."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, linestyle=d, label=label) for label, c, d in entries]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)))
