"""What came of every adapter of a run: one row each, in the terminal and as CSV."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sample.runfolder import RunFolder, read_json, write_atomically
from train.config import TrainConfig

if TYPE_CHECKING:
    from rich.console import Console

LAST = 10
"""Steps at the end of a training whose mean stands in the table."""
MEANS = ("accuracy", "repeat", "distinct", "valid", "reward", "paid_quality", "paid_novelty",
         "paid_crowding", "paid_repetition", "paid_length", "depth", "unlikely", "kl",
         "entropy")  # fmt: skip
SHOWN = ("accuracy", "repeat", "distinct", "reward", "kl", "entropy")

Row = dict[str, Any]


def training_table(folder: RunFolder, config: TrainConfig) -> list[Row]:
    """A row for each adapter that has made a step; what a method has not is None.

    accuracy .. entropy: means over the last LAST steps that have the number. tokens: read and
    written by the model over all steps. gap FAMILY, verdict FAMILY: of the analysis, where the
    adapter has been evaluated.
    """
    summary = read_json(folder.summary) if folder.summary.exists() else {"families": {}}
    rows = []
    for name, (method, seed) in config.adapters.items():
        steps = _steps(folder.adapter(name) / "metrics.jsonl")
        if steps:
            row: Row = {"adapter": name, "method": method, "seed": seed, "steps": len(steps)}
            row |= {key: _mean(step.get(key) for step in steps[-LAST:]) for key in MEANS}
            row["tokens"] = int(sum(s["prompt_tokens"] + s["generated_tokens"] for s in steps))
            rows.append(row | _evaluation(summary["families"], name))
    return rows


def _steps(path: Path) -> list[Mapping[str, Any]]:
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _mean(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def _evaluation(families: Mapping[str, Any], name: str) -> Row:
    found: Row = {}
    for family, results in families.items():
        adapter = results["adapters"].get(name) or {}
        gap = adapter.get("gap_adapted") or {}
        found[f"gap {family}"] = gap.get("estimate")
        found[f"verdict {family}"] = adapter.get("verdict")
    return found


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """The rows as CSV; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def show_table(rows: Sequence[Row], console: "Console") -> None:
    """The rows in short: no seed, no part of the reward."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    title = f"Training, means of the last {LAST} steps; gaps of the last analysis"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("adapter", overflow="fold")
    numbers = [*SHOWN, *(key for key in rows[0] if key.startswith("gap "))]
    for key in numbers:
        table.add_column(escape(key), justify="right")
    for row in rows:
        cells = ("-" if row[key] is None else f"{row[key]:.3g}" for key in numbers)
        table.add_row(escape(row["adapter"]), *cells)
    console.print(table)
