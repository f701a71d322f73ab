"""Probes as tables for the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analysis.numbers import Json
from analysis.terminal import UNKNOWN, add_row, explained, start_table, with_interval

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHARE = (100.0, 1)
NUMBER = (1.0, 2)
"""Scale and digits."""


def show_probes(found: Json, console: Console) -> None:
    """Print the tables of every family, then the notes."""
    from rich.markup import escape

    for name, family in found["families"].items():
        title = f"[bold]{escape(name)}[/]: {family['n_problems']} problems, histories of the base"
        console.print(title, "", highlight=False)
        tables = list(_tables(family))
        for table in tables:
            console.print(table)
            console.print()
        for line in explained(tables):
            console.print(line, highlight=False)
    for note in found["notes"]:
        console.print(f"[yellow]note:[/] {escape(note)}", highlight=False)


def _tables(family: Json) -> Iterator[RenderableType]:
    yield _first(family)
    yield _later(
        family, "Answers copied from the history (percent), and the change to base (points)",
        ("copy", True, SHARE), ("copy_right", False, SHARE), ("copy_wrong", False, SHARE),
    )  # fmt: skip
    yield _later(
        family, "Accuracy where the history holds a correct answer (kept) or none (found)",
        ("kept", True, SHARE), ("found", True, SHARE),
    )  # fmt: skip
    if any(_has_readings(system) for system in family["systems"].values()):
        yield _later(
            family, "Attention on earlier answers (1 = as on the prompt), and how much more "
            "probable copies are than new answers (nats per token)",
            ("attention", True, NUMBER), ("copy_margin", True, NUMBER),
        )  # fmt: skip


def _has_readings(system: Json) -> bool:
    keys = ("attention", "logp_copy", "logp_new")
    return any(found[key]["level"]["n"] for found in system["depths"].values() for key in keys)


def _first(family: Json) -> RenderableType:
    title = "Attempt 1: accuracy (percent) and distinct answers, and the change to base"
    table = start_table(title, "system", "accuracy", "change", "distinct", "change")
    for name, system in family["systems"].items():
        first = system["first"]
        add_row(table, name, *_cells(first["accuracy"], SHARE), *_cells(first["distinct"], NUMBER))
    return table


def _later(
    family: Json, title: str, *columns: tuple[str, bool, tuple[float, int]]
) -> RenderableType:
    """columns: key, whether its change to the base is shown, scale and digits."""
    heads = [head for key, change, _ in columns for head in (_LABELS[key], *["change"] * change)]
    table = start_table(title, "system", *heads, "n")
    for depth in next(iter(family["systems"].values()))["depths"]:
        add_row(table, f"after {depth}", *[""] * (len(heads) + 1), style="bold")
        for name, system in family["systems"].items():
            found = system["depths"][depth]
            cells = [
                cell
                for key, change, form in columns
                for cell in _cells(found[key], form)[: 1 + change]
            ]
            counts = dict.fromkeys(str(found[key]["level"]["n"]) for key, *_ in columns)
            add_row(table, name, *cells, " / ".join(counts))
    return table


_LABELS = {
    "copy": "copies",
    "copy_right": "right",
    "copy_wrong": "wrong",
    "kept": "kept",
    "found": "found",
    "attention": "attention",
    "copy_margin": "margin",
}


def _cells(measure: Json, form: tuple[float, int]) -> tuple[str, str]:
    """The level without its interval, and the change with it."""
    level = measure["level"]["estimate"]
    shown = UNKNOWN if level is None else f"{form[0] * level:.{form[1]}f}"
    return shown, with_interval(measure["difference"], *form)
