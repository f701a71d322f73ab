"""A recommendation as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.numbers import interval_json
from analysis.recommend import Choice, Recommendation
from analysis.terminal import UNKNOWN, add_row, explained, start_table, with_interval

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def show_recommend(found: Sequence[Recommendation], console: Console) -> None:
    """Print the efficient frontier and the advice of each family."""
    from rich.markup import escape

    for recommendation in found:
        table = _frontier(recommendation)
        for part in (table, *explained([table]), ""):
            console.print(part, highlight=False)
        console.print(f"[bold]{escape(recommendation.advice)}[/]", highlight=False)
        for warning in recommendation.warnings:
            console.print(f"[yellow]note:[/] {escape(warning)}", highlight=False)
        console.print()


def _frontier(found: Recommendation) -> RenderableType:
    title = (
        f"{found.family}: best of {found.considered} by {found.cost} tokens, "
        f"{found.problems} problems; held out = chosen on one half, valued on the other; gain = "
        f"that against the baseline, the widest affordable parallel sampling of {found.base}"
    )
    table = start_table(title, "run", "tokens", "held out, %", "apparent", "gain", "agree")
    for choice in found.frontier:
        add_row(table, choice.advised.label, *_cells(choice))
    return table


def _cells(choice: Choice) -> tuple[str, ...]:
    """Tokens, held out, apparent, gain, agreement; a baseline is not chosen, so has no gain."""
    solved = with_interval(interval_json(choice.solved))
    if choice.plain and not choice.worth_it:
        return f"{choice.plain[1]:.0f}", solved, UNKNOWN, "baseline", UNKNOWN
    gain = with_interval(interval_json(choice.gain)) if choice.gain else UNKNOWN
    apparent, agreement = f"{100 * choice.apparent:.1f}", f"{100 * choice.agreement:.0f} %"
    return f"{choice.cost:.0f}", solved, apparent, gain, agreement
