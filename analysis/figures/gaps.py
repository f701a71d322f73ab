"""The gaps before and after training."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.reading import Json, families, groups, number
from analysis.figures.style import INK, METHODS, RULE, SOFT, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def gaps(summary: Json) -> "Figure | None":
    """Gap before (diamond) and after (dot) training with intervals, per family and adapter."""
    from matplotlib.figure import Figure

    rows = _gap_rows(summary)
    if not rows:
        return None
    heights, headers = _rows_by_family(rows)
    lowest = min(heights)
    figure = Figure(figsize=(WIDTH, 0.21 * -lowest + 0.95), layout="constrained")
    axes = figure.subplots()
    margin = 100 * number((summary.get("settings") or {}).get("margin"))
    _draw_margin(axes, margin)
    for y, (_, _, entry) in zip(heights, rows, strict=True):
        _draw_gap(axes, y + 0.15, entry.get("gap_base"), False)
        _draw_gap(axes, y - 0.15, entry.get("gap_adapted"), True)
        _beside(axes, y, str(entry.get("verdict") or "not measured").replace("_", " "))
    labels = [row[1] for row in rows] + list(headers)
    axes.set_yticks([*heights, *headers.values()], labels)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels()[len(rows) :]:
        label.set(weight="bold", color=INK)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(lowest - 0.7, 0.6)
    axes.set_xlabel("gap, parallel minus sequential, points")
    _gap_legend(figure, margin)
    return figure


def _gap_rows(summary: Json) -> list[tuple[str, str, Json]]:
    """(family, adapter, its entry), the seeds of a method together."""
    order = [system for group in groups(summary) for system in group.systems]
    return [
        (name, adapter, family["adapters"][adapter])
        for name, family in families(summary).items()
        for adapter in sorted(family.get("adapters") or {}, key=order.index)
        if (family["adapters"][adapter] or {}).get("gap_adapted")
    ]


def _rows_by_family(rows: Sequence[Any]) -> tuple[list[float], dict[str, float]]:
    """Heights of the rows and of a header above each family, downwards from 0."""
    heights: list[float] = []
    headers: dict[str, float] = {}
    y = 0.0
    for name, _, _ in rows:
        if name not in headers:
            headers[name] = y
            y -= 1
        heights.append(y)
        y -= 1
    return heights, headers


def _draw_margin(axes: "Axes", margin: float) -> None:
    axes.axvline(0, color=SOFT, linewidth=0.6, zorder=0)
    if math.isfinite(margin):
        axes.axvspan(-margin, margin, color=RULE, alpha=0.45, linewidth=0, zorder=-1)


def _draw_gap(axes: "Axes", y: float, gap: Json | None, after: bool) -> None:
    if not gap or gap.get("estimate") is None:
        return
    low, x, high = (100 * number(gap.get(key)) for key in ("low", "estimate", "high"))
    colour = METHODS[0] if after else SOFT
    axes.plot([low, high], [y, y], color=colour, linewidth=1.1, solid_capstyle="butt")
    axes.plot([x], [y], "o" if after else "D", color=colour, markersize=4 if after else 3.4)


def _beside(axes: "Axes", y: float, text: str) -> None:
    place = axes.get_yaxis_transform()
    axes.text(1.01, y, text, transform=place, va="center", fontsize=6.5, color=SOFT)


def _gap_legend(figure: "Figure", margin: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=SOFT, marker="D", markersize=3.4, linewidth=1.1, label="before"),
        Line2D([], [], color=METHODS[0], marker="o", markersize=4, linewidth=1.1, label="after"),
    ]
    if math.isfinite(margin):
        label = f"margin, ±{margin:g} points"
        handles.append(Patch(color=RULE, alpha=0.45, linewidth=0, label=label))
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
