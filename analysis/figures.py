"""Figures of the report, drawn from the summary alone: SVG, PDF and PNG, one column wide.

Colours are those of Okabe and Ito, told apart with every common colour blindness. Parallel and
sequential, and each training method, keep one colour through all figures. Every band and bar is
the interval of the summary.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Json = Mapping[str, Any]
Floats = NDArray[np.float64]
Metrics = Mapping[str, Sequence[Json]]

INK, SOFT, RULE = "#1b1f23", "#5d666f", "#c9cfd5"
PARALLEL, SEQUENTIAL = "#0072b2", "#d55e00"
METHODS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9")
PALETTE = (INK, SOFT, RULE, PARALLEL, SEQUENTIAL, *METHODS)
WIDTH = 3.4
FORMATS = ("svg", "pdf", "png")
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1)))
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.formatter.useoffset": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.3,
    "text.parse_math": False,  # names of systems may hold a dollar sign
    "svg.fonttype": "none",
    "svg.hashsalt": "forage",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Curve:
    """One statistic by step k = 1..N, as shares; NaN where not known."""

    k: Floats
    estimate: Floats
    low: Floats
    high: Floats

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.estimate).any())


@dataclass(frozen=True)
class Group:
    """Systems drawn alike: the base alone, or the adapters of one training method."""

    method: str
    systems: tuple[str, ...]
    colour: str
    dash: Any = "-"

    @property
    def label(self) -> str:
        seeds = len(self.systems)
        return f"{self.method} ({seeds} seeds)" if seeds > 1 else self.method


@dataclass(frozen=True)
class Panel:
    """One family under one group of systems."""

    name: str
    family: Json
    group: Group


def save_figures(
    summary: Json, folder: str | Path, metrics: Metrics | None = None
) -> dict[str, Path]:
    """Write every figure the summary has numbers for to ``folder/figures``.

    metrics: adapter -> training log, entries with step and any of reward, accuracy, novelty,
    repeat. Returns figure name -> its SVG; PDF and PNG lie beside it.
    """
    from matplotlib import rc_context

    target = Path(folder) / "figures"
    target.mkdir(parents=True, exist_ok=True)
    saved: dict[str, Path] = {}
    with rc_context(_STYLE):
        for name, draw in _figures(summary, metrics or {}).items():
            figure = draw()
            if figure is not None:
                saved[name] = _save(figure, target, name)
    return saved


def _figures(summary: Json, metrics: Metrics) -> dict[str, Callable[[], "Figure | None"]]:
    return {
        "gaps": lambda: gaps(summary),
        "coverage": lambda: coverage(summary),
        "accuracy_by_step": lambda: accuracy_by_step(summary),
        "repeat_rate": lambda: repeat_rate(summary),
        "training": lambda: training(summary, metrics),
    }


def _save(figure: "Figure", folder: Path, name: str) -> Path:
    # a date in the file would make equal results look different
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    for suffix in FORMATS:
        path = folder / f"{name}.{suffix}"
        figure.savefig(path, dpi=300, transparent=suffix != "png", metadata=dates[suffix])
    return folder / f"{name}.svg"


def families(summary: Json) -> dict[str, Json]:
    return {name: family or {} for name, family in (summary.get("families") or {}).items()}


def curve(family: Json, system: str, arm: str, name: str) -> Curve:
    """A curve of the summary; empty where the summary has none."""
    arms = ((family.get("systems") or {}).get(system) or {}).get("arms") or {}
    points = ((arms.get(arm) or {}).get("by_step") or {}).get(name) or []
    columns = [_column(points, key) for key in ("estimate", "low", "high")]
    return Curve(np.arange(1, len(points) + 1, dtype=float), *columns)


def _column(points: Sequence[Json | None], key: str) -> Floats:
    return np.array([number((point or {}).get(key)) for point in points], dtype=float)


def number(value: Any) -> float:
    """NaN for what is no number."""
    return float(value) if isinstance(value, int | float) else math.nan


def groups(summary: Json) -> list[Group]:
    """The base, then each training method in the order of the summary, over all families."""
    bases: list[str] = []
    methods: dict[str, list[str]] = {}
    for family in families(summary).values():
        for name, entry in (family.get("adapters") or {}).items():
            bases.append((entry or {}).get("base") or "base")
            members = methods.setdefault((entry or {}).get("method") or name, [])
            if name not in members:
                members.append(name)
    bases = bases or _models(summary)[:1]
    found = [Group(base, (base,), SOFT) for base in dict.fromkeys(bases)]
    for i, (method, members) in enumerate(methods.items()):
        dash = _DASHES[i // len(METHODS) % len(_DASHES)]
        found.append(Group(method, tuple(members), METHODS[i % len(METHODS)], dash))
    return found


def _models(summary: Json) -> list[str]:
    return [name for family in families(summary).values() for name in family.get("systems") or {}]


def _plot(axes: "Axes", found: Curve, colour: str, dash: Any = "-", bands: int = 1) -> None:
    """bands: how many bands of this colour will lie over each other."""
    axes.plot(found.k, 100 * found.estimate, color=colour, linestyle=dash, solid_capstyle="round")
    low, high = 100 * found.low, 100 * found.high
    alpha = 0.2 / math.sqrt(bands)
    axes.fill_between(found.k, low, high, color=colour, alpha=alpha, linewidth=0)


def _legend(figure: "Figure", entries: Sequence[tuple[str, str, Any]]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, linestyle=d, label=label) for label, c, d in entries]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(3, len(handles)))


def _grid(rows: int, columns: int, height: float) -> tuple["Figure", Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height * rows + 0.45), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)


def _steps_axis(axes: "Axes", label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=2))
    axes.set_xlabel(label)


def accuracy_by_step(summary: Json) -> "Figure | None":
    """Share of attempts k that are correct; left parallel, right sequential; a row per family."""
    drawn = groups(summary)
    found = {n: f for n, f in families(summary).items() if _has(f, drawn, "accuracy")}
    if not found:
        return None
    figure, panels = _grid(len(found), 2, 1.55)
    for row, (name, family) in zip(panels, found.items(), strict=True):
        for axes, arm in zip(row, ("parallel", "sequential"), strict=True):
            _draw_groups(axes, family, drawn, arm, "accuracy")
            axes.set_title(f"{name}, {arm}" if len(found) > 1 else arm)
            axes.label_outer()
        row[0].set_ylabel("accuracy, %")
    for axes in panels[-1]:
        _steps_axis(axes, "attempt")
    _legend(figure, [(group.label, group.colour, group.dash) for group in drawn])
    return figure


def _draw_groups(
    axes: "Axes", family: Json, drawn: Sequence[Group], arm: str, statistic: str
) -> None:
    for group in drawn:
        for system in group.systems:
            found = curve(family, system, arm, statistic)
            _plot(axes, found, group.colour, group.dash, bands=len(group.systems))


def _has(family: Json, drawn: Sequence[Group], statistic: str) -> bool:
    return any(
        curve(family, system, arm, statistic).known
        for group in drawn
        for system in group.systems
        for arm in ("parallel", "sequential")
    )


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
    rows = _two_abreast(summary, statistic)
    if not rows:
        return None
    figure, grid = _grid(len(rows), 2, 1.3)
    for axes, panel in zip(grid.flat, [p for row in rows for p in row], strict=True):
        _draw_pair(axes, panel, statistic)
    for row in grid:
        row[0].set_ylabel(y_label)
    grid[0][0].set_ylim(bottom=0)
    _label_bottoms(grid, x_label)
    _legend(figure, [(labels[0], PARALLEL, "-"), (labels[1], SEQUENTIAL, "-")])
    return figure


def _two_abreast(summary: Json, statistic: str) -> list[tuple[Any, ...]]:
    """Two families: a column each. Otherwise family after family, two groups to a row."""
    known = families(summary)
    blocks = [
        [
            Panel(name, family, group)
            for group in groups(summary)
            if _has(family, [group], statistic)
        ]
        for name, family in known.items()
    ]
    if len(blocks) == 2:
        return list(itertools.zip_longest(*blocks))
    return [pair for block in blocks for pair in itertools.zip_longest(block[::2], block[1::2])]


def _draw_pair(axes: "Axes", panel: Panel | None, statistic: str) -> None:
    if panel is None:
        axes.set_axis_off()
        return
    for arm, colour in (("parallel", PARALLEL), ("sequential", SEQUENTIAL)):
        for system in panel.group.systems:
            found = curve(panel.family, system, arm, statistic)
            _plot(axes, found, colour, bands=len(panel.group.systems))
    axes.set_title(f"{panel.name}: {panel.group.method}")


def _label_bottoms(grid: Any, label: str) -> None:
    """The step axis under the lowest panel of each column."""
    for column in grid.T:
        lowest = [axes for axes in column if axes.axison][-1:]
        for axes in lowest:
            _steps_axis(axes, label)
            axes.tick_params(labelbottom=True)


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


def training(summary: Json, metrics: Metrics) -> "Figure | None":
    """The training log of each adapter: every step thin, the mean of 5 steps around it thick."""
    kinds = {"reward": "reward", "accuracy": "accuracy", "novelty": "novelty", "repeat": "repeats"}
    kinds = {key: label for key, label in kinds.items() if _logged(metrics, key)}
    if not kinds:
        return None
    drawn = _training_groups(summary, metrics)
    rows = math.ceil(len(kinds) / 2)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1.35 * rows + 0.45), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False, sharex=True)
    for axes, key in zip(panels.flat, [*kinds, None, None], strict=False):
        if key is None:
            axes.set_axis_off()
            continue
        _draw_log(axes, metrics, drawn, key)
        axes.set_title(kinds[key])
    _label_bottoms(panels, "training step")
    _legend(figure, [(group.label, group.colour, group.dash) for group in drawn])
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
    extra = [Group(n, (n,), free[i % len(free)], _DASHES[1]) for i, n in enumerate(others)]
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
