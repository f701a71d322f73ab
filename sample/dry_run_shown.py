"""A dry run as tables for the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from sample.dry_run import CHARACTERS, QUESTION, Expected, Lengths
from sample.engines.base import require_room

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SIZES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Rates:
    """price: of a million prompt and of a million generated tokens, in any currency. throughput:
    tokens generated a second, by all that runs at once. None = not asked for."""

    price: tuple[float, float] | None = None
    throughput: float | None = None

    def cost(self, prompt: int, generated: int) -> float:
        assert self.price is not None
        return (prompt * self.price[0] + generated * self.price[1]) / 1e6

    def hours(self, generated: int) -> float:
        assert self.throughput is not None
        return generated / self.throughput / 3600


def show_dry_run(
    rows: Sequence[Expected],
    lengths: Lengths,
    rates: Rates,
    console: Console,
    contexts: Mapping[str, int] | None = None,
) -> None:
    """Print a table for each system and family, the totals, and what was assumed.

    contexts: system -> tokens that a prompt and its generation may have together, where known.

    Raises:
        UsageError: one of them has no room for any prompt.
    """
    contexts = contexts or {}
    for context in contexts.values():
        require_room(lengths.most, context)
    for (system, family), found in groupby(rows, key=lambda row: (row.system, row.family)):
        console.print(_table(system, family, list(found), rates))
        console.print()
    notes = (*_totals(rows, rates), *_drafts(rows), *_longest(rows, contexts))
    for line in (*notes, "", _assumed(lengths)):
        console.print(line, highlight=False)


def _table(system: str, family: str, rows: Sequence[Expected], rates: Rates) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    title = f"{escape(system)}, {escape(family)}: {rows[0].problems:,} problems"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm", overflow="fold")
    for name, _ in _columns(rates):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(escape(row.arm), *(show(row) for _, show in _columns(rates)))
    return table


def _columns(rates: Rates) -> list[tuple[str, Callable[[Expected], str]]]:
    columns: list[tuple[str, Callable[[Expected], str]]] = [
        ("calls", lambda row: f"{row.calls:,}"),
        ("prompt", lambda row: tokens(row.prompt)),
        ("generated", lambda row: tokens(row.generated)),
        ("at most", lambda row: tokens(row.most)),
    ]
    if rates.price is not None:
        columns.append(("cost", lambda row: _number(rates.cost(row.prompt, row.generated))))
    if rates.throughput is not None:
        columns.append(("hours", lambda row: _number(rates.hours(row.generated))))
    return columns


def _totals(rows: Sequence[Expected], rates: Rates) -> Iterable[str]:
    calls, prompt, most_prompt, generated, most = (
        sum(getattr(row, name) for row in rows)
        for name in ("calls", "prompt", "most_prompt", "generated", "most")
    )
    yield (
        f"in all: {calls:,} calls, {tokens(prompt)} prompt tokens ({tokens(most_prompt)} at most), "
        f"{tokens(generated)} generated ({tokens(most)} at most)"
    )
    if rates.price is not None:
        expected, highest = rates.cost(prompt, generated), rates.cost(most_prompt, most)
        yield f"cost: {_number(expected)} ({_number(highest)} at most)"
    if rates.throughput is not None:
        expected, highest = rates.hours(generated), rates.hours(most)
        yield f"hours: {_number(expected)} ({_number(highest)} at most)"


def _drafts(rows: Sequence[Expected]) -> Iterable[str]:
    for arm, (fit, asked) in {row.arm: row.drafts for row in rows if row.drafts}.items():
        yield f"budget: holds {fit} of {asked} drafts of a chain of {arm}"


def _longest(rows: Sequence[Expected], contexts: Mapping[str, int]) -> Iterable[str]:
    if not rows:
        return
    longest = max(rows, key=lambda row: row.longest)
    yield f"longest call: {longest.longest:,} tokens with max_new_tokens ({longest.arm})"
    for row in rows:
        if (context := contexts.get(row.system)) is not None and row.longest > context:
            yield (
                f"context of {row.system}: {context:,} tokens; {row.arm} on {row.family} needs up "
                f"to {row.longest:,}: attempts that need more fail (context_overflow)"
            )


def _assumed(lengths: Lengths) -> str:
    return (
        f"Assumed: {lengths.generated:,} tokens generated an attempt (--expect), "
        f"{lengths.answer:,} of them the answer; {CHARACTERS} characters a token; questions that "
        f"only the Hub has: {QUESTION['math']} tokens, programs {QUESTION['code']}; every answer "
        "new and wrong. Failed calls and prefix caching are not counted."
    )


def tokens(count: int) -> str:
    """A number of tokens in three digits, e.g. 12.3M."""
    for size, unit in _SIZES:
        if count >= size:
            return _number(count / size) + unit
    return str(count)


def _number(value: float) -> str:
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"
