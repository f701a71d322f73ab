"""The gap at equal compute as tables for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.matching import PRIMARY_COST, CostRatio, Matched
from analysis.numbers import gap_json
from analysis.terminal import UNKNOWN, add_row, start_table, with_interval

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_COSTS = {
    "generated": "generated",
    "total": "all, no cache",
    "cached": "all, with cache",
    "latency": "critical path of N",
}


def show_match(found: Sequence[Matched], console: Console) -> None:
    """Print, per system: the gap over each cost, at the declared budgets, and the cost ratios."""
    from rich.markup import escape

    for matched in found:
        console.print(
            f"[bold]{escape(matched.family)}[/], {escape(matched.system)}: parallel minus "
            f"sequential by {matched.aggregator} at equal compute, {matched.problems} problems\n",
            highlight=False,
        )
        console.print(_gaps(matched))
        if matched.ratios:
            console.print(_ratios(matched.ratios))
        for warning in matched.warnings:
            console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)
        console.print()


def _gaps(matched: Matched) -> RenderableType:
    title = f"Gap over log2(tokens), points; primary: {_COSTS[PRIMARY_COST]}"
    table = start_table(title, "tokens", "gap", "p (flip)", "used par.", "used seq.", "n")
    for cost, label in _COSTS.items():
        spent = [_tokens(matched.tokens[arm][cost]) for arm in ("parallel", "sequential")]
        gap = matched.gaps.get(cost)
        p = f"{gap.p_flip:.4f}" if gap else UNKNOWN
        n = str(gap.interval.n) if gap else "0"
        add_row(table, label, with_interval(gap_json(gap)), p, *spent, n)
    for budget, gap in matched.at.items():
        p, n = f"{gap.p_flip:.4f}", str(gap.interval.n)
        add_row(table, f"at {budget:g}", with_interval(gap_json(gap)), p, "", "", n)
    return table


def _ratios(ratios: Sequence[CostRatio]) -> RenderableType:
    title = "Tokens that sequential needs for what k parallel attempts reach"
    table = start_table(title, "k", "reached, %", "parallel tokens", "sequential / parallel")
    for ratio in ratios:
        said = (_tokens(ratio.tokens), with_censoring(ratio))
        add_row(table, str(ratio.k), f"{100 * ratio.reached:.1f}", *said)
    return table


def with_censoring(ratio: CostRatio) -> str:
    """``1.3x [1.1, 1.7]``; ``> 1.8x`` where sequential never gets there with its attempts."""
    if math.isnan(ratio.ratio):
        return UNKNOWN
    if math.isinf(ratio.ratio):
        shown = f"> {ratio.least:.2f}x, never reached"
        return shown if math.isinf(ratio.low) else f"{shown} [{ratio.low:.2f}, never]"
    high = "never" if math.isinf(ratio.high) else f"{ratio.high:.2f}"
    return f"{ratio.ratio:.2f}x [{ratio.low:.2f}, {high}]"


def _tokens(value: float) -> str:
    return UNKNOWN if math.isnan(value) else f"{value:,.0f}"
