"""Problems in a local file: JSONL, CSV or Parquet, the first two also gzipped.

The path is the config's ``task``; relative paths count from the working directory.
"""

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from sample.config import ProblemConfig, parse
from sample.errors import UsageError
from sample.families.options import RowOptions
from sample.families.rows import Row, problems_of
from sample.problems import Problem

_READERS = "JSONL (.jsonl), CSV (.csv) or Parquet (.parquet); JSONL and CSV also as .gz"


def generate(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Every problem in the file.

    Raises:
        UsageError: no such file, not of the form its name promises, or unusable rows.
    """
    options = parse(RowOptions, config.options, f"problems.{family}.options")
    rows = read_rows(Path(config.task), family)
    return problems_of(family, rows, options, refuse_repeats=True)


def read_rows(path: Path, family: str) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        UsageError: as ``generate``.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    reader = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}.get("".join(suffixes[-1:]))
    if reader is None:
        raise UsageError(f"problems.{family}: {path}: expected {_READERS}")
    try:
        yield from reader(path)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"problems.{family}: cannot read {path}: {reason}") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"problems.{family}: {path} is not UTF-8 (byte {error.start} of a block); "
            f"convert it, e.g. iconv -f latin1 -t utf-8 {path.name}"
        ) from None
    except (ValueError, csv.Error) as error:
        raise UsageError(f"problems.{family}: {error}") from None


def _open(path: Path) -> IO[str]:
    # utf-8-sig: spreadsheets write a byte-order mark, which would become part of the first name.
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return open(path, encoding="utf-8-sig", newline="")


def _jsonl(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                raise ValueError(f"{where}: not valid JSON; expected one object a line") from None
            if not isinstance(row, Mapping):
                raise ValueError(f"{where}: not a JSON object")
            yield where, row


def _csv(path: Path) -> Iterator[Row]:
    with _open(path) as file:
        for number, row in enumerate(csv.DictReader(file, strict=True), 1):
            where = f"{path}, row {number}"
            if None in row or None in row.values():
                raise ValueError(f"{where}: not as many cells as the header has")
            yield where, row


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            "reading Parquet needs the package pyarrow: pip install 'forage-sampling[hub]'"
        ) from None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid:
        raise ValueError(f"{path} is no Parquet file") from None
    for number, row in enumerate(rows, 1):
        yield f"{path}, row {number}", row
