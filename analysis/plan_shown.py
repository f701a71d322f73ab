"""A plan as tables for the terminal and as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.figures.drawing import legend
from analysis.figures.save import save_figure
from analysis.figures.style import INK, METHODS, SOFT, WIDTH
from analysis.plan import Plan
from analysis.terminal import add_row, start_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console, RenderableType

_LABELS = {"gap": "gap", "did": "change of the gap"}


def show_plan(plans: Sequence[Plan], console: Console) -> None:
    """Print, per family: variances, problems needed, detectable gaps, looks, advice, warnings."""
    from rich.markup import escape

    for plan in plans:
        console.print(f"[bold]{escape(plan.family)}[/]: {_variances(plan)}\n", highlight=False)
        for table in (_needs(plan), *_verdicts(plan), *_detectables(plan)):
            console.print(table)
            console.print()
        console.print(_looks(plan), "", highlight=False)
        console.print(escape(plan.advice), highlight=False)
        for warning in plan.warnings:
            console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)


def _variances(plan: Plan) -> str:
    gap = plan.pilot.contrasts["gap"]
    source = f"{gap.problems} pilot problems" if gap.problems else "as stated"
    return (
        f"standard deviation of the gap {100 * math.sqrt(gap.variances.between):.1f} points "
        f"between problems and {100 * math.sqrt(gap.variances.within):.1f} per replicate ({source})"
    )


def _needs(plan: Plan) -> RenderableType:
    title = f"Problems for each claim, power {plan.power:g} (in brackets: cautious)"
    table = start_table(title, "replicates", *(claim.name for claim in plan.claims))
    for row in plan.rows:
        cells = []
        for claim in plan.claims:
            needed, careful = row.needed[claim.name], row.cautious[claim.name]
            cells.append(_count(needed) + _in_brackets(careful, claim.measured.problems))
        add_row(table, str(row.replicates), *cells)
    effects = [
        f"{100 * claim.effect:.1f}{' assumed sd' if claim.assumed else ''}" for claim in plan.claims
    ]
    add_row(table, "from threshold", *effects, style="dim")
    return table


def _verdicts(plan: Plan) -> list[RenderableType]:
    pilot = plan.pilot.contrasts["gap"].problems
    title = f"For CLOSED, all claims together (margin {100 * plan.margin:g} points)"
    needed = start_table(title, "replicates", "problems", "attempts")
    reached = start_table("Power on the problems available", "replicates", *plan.rows[0].power)
    for row in plan.rows:
        problems = _count(row.verdict) + _in_brackets(row.careful, pilot)
        add_row(needed, str(row.replicates), problems, _count(row.attempts))
        add_row(reached, str(row.replicates), *(f"{power:.2f}" for power in row.power.values()))
    return [needed, reached] if plan.rows[0].power else [needed]


def _detectables(plan: Plan) -> list[RenderableType]:
    tables: list[RenderableType] = []
    for name, found in plan.detectable.items():
        title = f"Smallest {_LABELS[name]} that would be found, points"
        table = start_table(title, "problems", *(f"R = {r}" for r in found))
        for i, n in enumerate(plan.problems):
            add_row(table, str(n), *(_points(values[i]) for values in found.values()))
        tables.append(table)
    return tables


def _looks(plan: Plan) -> str:
    early = plan.early
    critical = ", ".join(f"{value:.2f}" for value in early.critical)
    return (
        f"Stopping early: {len(early.shares)} equally spaced looks (O'Brien-Fleming) at the base's "
        f"gap, at |z| = {critical}; expected use of the problems {100 * plan.early_gap:.0f} % with "
        f"the gap that the plan finds with power {plan.power:g}, {100 * plan.early_none:.0f} % "
        "without a gap. For it, put analyze: "
        f"{{stopping: {{looks: {len(early.shares)}}}}} into the config before sampling and give "
        "forage sample --until-decided. With adapters a family goes on until every verdict is "
        "decided, which takes more: docs/calibration.md."
    )


def _in_brackets(careful: int | None, pilot: int) -> str:
    """The cautious number, where there was a pilot of any problems to be cautious about."""
    return f" ({_count(careful)})" if pilot else ""


def _count(value: int | None) -> str:
    return "never" if value is None else f"{value:,}"


def _points(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def save_plan_figure(plans: Sequence[Plan], folder: Path) -> Path:
    """Write ``figures/plan.svg``, .pdf and .png: the detectable gap by problems and replicates."""
    saved = save_figure(lambda: _draw(plans), folder, "plan")
    assert saved is not None
    return saved


def _draw(plans: Sequence[Plan]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1.7 * len(plans) + 0.45), layout="constrained")
    panels = figure.subplots(len(plans), 2, squeeze=False, sharex=True, sharey=True)
    for row, plan in zip(panels, plans, strict=True):
        for axes, (name, found) in zip(row, plan.detectable.items(), strict=True):
            _draw_detectable(axes, plan, found)
            title = _LABELS[name] if len(plans) == 1 else f"{plan.family}: {_LABELS[name]}"
            axes.set_title(title)
        row[0].set_ylabel("detectable, points")
    for axes in panels[-1]:
        axes.set_xlabel("problems")
    _legend(figure, plans[0])
    return figure


def _draw_detectable(axes: Axes, plan: Plan, found) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    for colour, values in zip(_colours(len(found)), found.values(), strict=True):
        axes.plot(plan.problems, [100 * value for value in values], color=colour)
    axes.axhline(100 * plan.margin, color=SOFT, linewidth=0.6, linestyle=(0, (4, 1.5)))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(plan.problems[::2])))
    axes.yaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(ScalarFormatter())
    axes.tick_params(axis="x", labelsize=6)


def _colours(count: int) -> list[str]:
    """From light to dark with the number of replicates."""
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    ends = [METHODS[3], INK]
    scale = LinearSegmentedColormap.from_list("replicates", ends)
    return [to_hex(scale(i / max(count - 1, 1))) for i in range(count)]


def _legend(figure: Figure, plan: Plan) -> None:
    counts = list(plan.detectable["gap"])
    entries: list[tuple[str, str, Any]] = [
        (f"R = {r}", colour, "-") for r, colour in zip(counts, _colours(len(counts)), strict=True)
    ]
    label = f"margin, {100 * plan.margin:g} points"
    legend(figure, [*entries, (label, SOFT, (0, (4, 1.5)))])
