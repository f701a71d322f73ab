"""Any CSV, JSONL or Parquet table with one attempt per row, through a map of its columns."""

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.foreign.rows import (
    Row,
    Tokens,
    answer_text,
    finish_name,
    grade,
    graded_name,
    known,
)
from analysis.selection import inverse_entropy
from analysis.study import PARALLEL
from sample.config import refuse_unknown_keys
from sample.errors import UsageError

NAMES = (
    "problem",
    "correct",
    "answer",
    "canonical",
    "family",
    "arm",
    "system",
    "replicate",
    "step",
    "finish",
    "text",
    "thinking",
    "prompt_tokens",
    "cached_tokens",
    "thinking_tokens",
    "generated_tokens",
    "seconds",
    "score",
    "weight",
    "entropy",
    "graded",
)
_REQUIRED = ("problem", "correct")
_NUMBERS = NAMES[-9:-4]
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def parse_columns(texts: Iterable[str]) -> dict[str, str]:
    """``problem=task_id`` pairs as a map from our names to the file's.

    Raises:
        UsageError: no pair, an unknown name, or a name given twice.
    """
    columns: dict[str, str] = {}
    for text in (part for given in texts for part in given.split(",")):
        name, sep, column = text.strip().partition("=")
        if not sep or not name or not column:
            raise UsageError(f"--columns takes NAME=COLUMN, e.g. problem=task_id (given: {text!r})")
        refuse_unknown_keys([name], NAMES, "columns")
        if name in columns:
            raise UsageError(f"--columns: {name!r} is given twice ({columns[name]!r}, {column!r})")
        columns[name] = column
    return columns


def read_rows(path: Path, columns: Mapping[str, str], threshold: float | None = None) -> list[Row]:
    """The rows of a table; a column of our own name needs no mapping.

    Raises:
        UsageError: an unreadable file, a missing column, or a value that cannot be what it says.
    """
    records = list(_records(path))
    if not records:
        raise UsageError(f"{path} holds no rows")
    seen = dict.fromkeys(key for record in records for key in record)
    for column in columns.values():
        if column not in seen:
            raise UsageError(f"{path} has no column {column!r}; it has: {', '.join(seen)}")
    places = {name: columns.get(name, name) for name in NAMES}
    places = {name: column for name, column in places.items() if column in seen}
    missing = [name for name in _REQUIRED if name not in places]
    if missing:
        raise UsageError(
            f"{path}: which column holds {' and which '.join(missing)}? Say --columns "
            f"{','.join(f'{name}=NAME' for name in missing)}; columns: {', '.join(seen)}"
        )
    return [
        _row(
            {name: record.get(column) for name, column in places.items()},
            f"{path}, row {i}",
            threshold,
        )
        for i, record in enumerate(records, 1)
    ]


def _row(given: Mapping[str, Any], where: str, threshold: float | None) -> Row:
    if not known(given["problem"]):
        raise UsageError(f"{where}: no problem")
    answer = answer_text(given.get("answer"))
    numbers = {key: _number(given.get(key), key, where) for key in _NUMBERS}
    prompt, cached, reasoning, generated, seconds = numbers.values()

    def text(name: str, default: str) -> str:
        return str(given[name]) if known(given.get(name)) else default

    return Row(
        problem=str(answer_text(given["problem"])),
        correct=grade(given["correct"], threshold, where),
        answer=answer,
        canonical=answer_text(given["canonical"]) if "canonical" in given else answer,
        family=text("family", "data"),
        arm=text("arm", PARALLEL),
        system=text("system", "base"),
        replicate=_whole(given.get("replicate"), "replicate", where),
        step=_whole(given.get("step"), "step", where),
        finish=finish_name(given.get("finish"), where),
        text=text("text", ""),
        thinking=text("thinking", ""),
        tokens=Tokens(prompt, cached, reasoning, generated),
        seconds=seconds,
        score=_number(given.get("score"), "score", where, least=-math.inf),
        weight=_weight(given, where),
        graded=graded_name(given.get("graded"), where),
    )


def _weight(given: Mapping[str, Any], where: str) -> float | None:
    """The weight of a vote, or the inverse of the mean token entropy."""
    if "weight" in given and "entropy" in given:
        raise UsageError(f"{where}: both weight and entropy weigh votes; leave one column out")
    entropy = _number(given.get("entropy"), "entropy", where)
    if entropy is not None:
        return float(inverse_entropy(np.array(entropy)))
    return _number(given.get("weight"), "weight", where)


def _number(value: Any, name: str, where: str, least: float = 0.0) -> float | None:
    if not known(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.inf
    if math.isnan(number):
        return None
    if not least <= number < math.inf or number == -math.inf:
        kind = "a number of at least 0" if least == 0 else "a finite number"
        raise UsageError(f"{where}: {name} must be {kind} (given: {value!r:.40})")
    return number


def _whole(value: Any, name: str, where: str) -> int | None:
    number = _number(value, name, where)
    if number is not None and not number.is_integer():
        raise UsageError(f"{where}: {name} must be a whole number (given: {value!r:.40})")
    return None if number is None else int(number)


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path)
        elif path.suffix in (".csv", ".tsv"):
            with path.open(newline="", encoding="utf-8-sig") as file:
                # Spreadsheets write semicolons where the comma is the decimal point.
                delimiter = max(",;\t", key=file.readline().count)
                file.seek(0)
                yield from csv.DictReader(file, delimiter=delimiter)
        else:
            yield from json_lines(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read {path}: {error}") from None


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file.

    Raises:
        UsageError: a line that is no JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise UsageError(f"{path}, line {number}: not a JSON object; delete the line")
        yield data


def _parquet(path: Path) -> list[dict[str, Any]]:
    arrow = need_arrow()
    try:
        return arrow.parquet.read_table(path).to_pylist()
    except arrow.ArrowInvalid as error:
        raise UsageError(f"cannot read {path}: {error}") from None


def need_arrow() -> Any:
    """The package pyarrow with its parquet module.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'forage-sampling[data]'") from None
    return pyarrow
