"""The training logs."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from analysis.figures.drawing import groups_legend, label_bottoms, two_columns
from analysis.figures.reading import Floats, Group, Json, groups, number
from analysis.figures.style import DASHES, METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Metrics = Mapping[str, Sequence[Json]]


def training(summary: Json, metrics: Metrics) -> "Figure | None":
    """The training log of each adapter: every step thin, the mean of 5 steps around it thick."""
    kinds = {"reward": "reward", "accuracy": "accuracy", "novelty": "novelty", "repeat": "repeats"}
    kinds = {key: label for key, label in kinds.items() if _logged(metrics, key)}
    if not kinds:
        return None
    drawn = _training_groups(summary, metrics)
    figure, panels = two_columns(math.ceil(len(kinds) / 2), 1.35, same_y=False)
    for axes, key in zip(panels.flat, [*kinds, None, None], strict=False):
        if key is None:
            axes.set_axis_off()
            continue
        _draw_log(axes, metrics, drawn, key)
        axes.set_title(kinds[key])
    label_bottoms(panels, "training step")
    groups_legend(figure, drawn)
    return figure


def _logged(metrics: Metrics, key: str) -> bool:
    return any(np.isfinite(_log(entries, key)[1]).any() for entries in metrics.values())


def _log(entries: Sequence[Json], key: str) -> tuple[Floats, Floats]:
    rows = [(number(e.get("step")), number(e.get(key))) for e in entries or [] if e]
    rows = [(i if math.isnan(s) else s, v) for i, (s, v) in enumerate(rows, 1)]
    table = np.array([row for row in rows if math.isfinite(row[1])], dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _training_groups(summary: Json, metrics: Metrics) -> list[Group]:
    known = [g for g in groups(summary) if set(g.systems) & set(metrics)]
    named = {system for group in known for system in group.systems}
    others = [name for name in metrics if name not in named]
    free = [c for c in METHODS if c not in {g.colour for g in known}] or list(METHODS)
    extra = [Group(n, (n,), free[i % len(free)], DASHES[1]) for i, n in enumerate(others)]
    return [*known, *extra]


def _draw_log(axes: "Axes", metrics: Metrics, drawn: Sequence[Group], key: str) -> None:
    for group in drawn:
        for system in group.systems:
            step, value = _log(metrics.get(system) or [], key)
            axes.plot(step, value, color=group.colour, linewidth=0.5, alpha=0.45)
            axes.plot(step, smooth(value), color=group.colour, linestyle=group.dash)


def smooth(values: Floats, reach: int = 2) -> Floats:
    """Mean of each value and up to ``reach`` on either side."""
    windows = (values[max(0, i - reach) : i + reach + 1] for i in range(len(values)))
    return np.array([window.mean() for window in windows])
