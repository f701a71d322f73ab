"""Tables as CSV (the summary's numbers unrounded, as shares) and LaTeX (per cent and points)."""

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.report.reading import arms_of
from analysis.report.table import Json, Missing, Table, shown

_PARTS = ("low", "high", "n", "p_t", "p_flip", "boot_low", "boot_high", "fixed_low", "fixed_high")
_METHOD = ("method", "degenerate")


def save_tables(tables: Sequence[Table] | Any, folder: Path) -> None:
    """NAME.csv and NAME.tex of each table; LaTeX needs the package booktabs."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        write_rows(folder / f"{table.name}.csv", csv_rows(table))
        (folder / f"{table.name}.tex").write_text(latex(table), encoding="utf-8")


def csv_rows(table: Table) -> list[list[Any]]:
    """Header and rows; an interval takes a column for each of its parts; Missing is empty."""
    parts = {column.key: _parts(table, column.key) for column in table.columns}
    header = [
        name for key, found in parts.items() for name in (key, *(f"{key}_{p}" for p in found))
    ]
    return [header, *([*_csv_row(row, parts)] for row in table.rows)]


def _parts(table: Table, key: str) -> list[str]:
    intervals = [row[key] for row in table.rows if isinstance(row[key], Mapping)]
    return [part for part in (*_PARTS, *_METHOD) if any(part in found for found in intervals)]


def _csv_row(row: Json, parts: Mapping[str, Sequence[str]]) -> Iterator[Any]:
    for key, found in parts.items():
        value = row[key]
        if isinstance(value, Mapping):
            yield from (value.get(part) for part in ("estimate", *found))
        else:
            yield None if isinstance(value, Missing) else value
            yield from itertools.repeat(None, len(found))


def curve_rows(summary: Json) -> list[list[Any]]:
    """Every by-step curve, one row per step: the numbers behind the figures."""
    rows: list[list[Any]] = [
        ["family", "system", "arm", "statistic", "k", "estimate", "low", "high", "n"]
    ]
    for family, system, arm, entry in arms_of(summary):
        for statistic, curve in (entry.get("by_step") or {}).items():
            for k, point in enumerate(curve or [], 1):
                values = [(point or {}).get(key) for key in ("estimate", "low", "high", "n")]
                rows.append([family, system, arm, statistic, k, *values])
    return rows


def write_rows(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def latex(table: Table) -> str:
    """A booktabs table; an interval is its estimate with the bounds in small print."""
    align = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    head = " & ".join(escape_latex(column.label) for column in table.columns)
    body = [
        " & ".join(_latex_cell(row[c.key], c.kind) for c in table.columns) + r" \\"
        for row in table.rows
    ]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape_latex(table.caption)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        head + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(value: Any, kind: str) -> str:
    main, small = shown(value, kind)
    text = escape_latex(main)
    return rf"{text} {{\scriptsize {escape_latex(small)}}}" if small else text


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "[": "{[}",  # after \\ a bracket would be read as its option
    "“": "``",
    "”": "''",
    "\n": " ",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)
