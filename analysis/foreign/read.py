"""Which reader a file needs, and all of them behind one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.foreign.cleaning import without_copies, without_empty_words
from analysis.foreign.columns import TABLES, json_lines, read_rows
from analysis.foreign.inspect_log import read_inspect
from analysis.foreign.lm_eval import is_lm_eval, read_lm_eval
from analysis.foreign.rows import Row, to_attempts
from analysis.foreign.verifiers_log import is_results, is_traces, read_results, read_traces
from analysis.words import counted
from sample.errors import UsageError
from sample.records import Attempt

LOGS = (".eval", ".json")


@dataclass(frozen=True)
class ForeignConfig:
    """columns: our name -> the file's (tables only). attempts: N, see ``to_attempts``.

    threshold: the grade from which an attempt is correct. scorer (inspect_ai), metric and filter
    (lm-evaluation-harness): which one grades, where a file has several.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    attempts: int | None = None
    threshold: float | None = None
    scorer: str | None = None
    metric: str | None = None
    filter: str | None = None

    def __post_init__(self) -> None:
        if self.attempts is not None and self.attempts < 1:
            raise UsageError(f"--attempts must be 1 or more (given: {self.attempts})")


@dataclass(frozen=True)
class Reading:
    """attempts: of all files together. notes: what was left out of the rows, in sentences."""

    attempts: list[Attempt]
    notes: tuple[str, ...]


def read_foreign(paths: Sequence[Path], config: ForeignConfig) -> Reading:
    """The attempts of all files together.

    Raises:
        UsageError: no such file, a format that is not known, or a value that cannot be read.
    """
    rows, words = without_empty_words(row for path in paths for row in _read(path, config))
    rows, copies = without_copies(rows)
    notes = []
    if words:
        notes.append(f"{counted(words, 'answer')} such as nan, null or None: read as no answer")
    if copies:
        notes.append(f"{counted(copies, 'row')} the same as an earlier one: left out")
    return Reading(to_attempts(rows, config.attempts), tuple(notes))


def _read(path: Path, config: ForeignConfig) -> list[Row]:
    if not path.is_file():
        raise UsageError(f"no file {path}")
    if path.suffix in LOGS:
        return read_inspect(path, config.scorer, config.threshold)
    if path.suffix in (".jsonl", ".ndjson") and not config.columns:
        first = next(json_lines(path), {})
        if {"ledger", "schema_version"} <= set(first):
            raise UsageError(f"{path} is of a run folder: forage analyze {path.resolve().parent}")
        if is_lm_eval(first):
            return read_lm_eval(path, config.metric, config.filter, config.threshold)
        if is_results(first):
            return read_results(path, config.threshold)
        if is_traces(first):
            return read_traces(path, config.threshold)
    if path.suffix not in TABLES:
        raise UsageError(
            f"{path}: unknown format; expected {', '.join(TABLES)}, or a log of inspect_ai "
            "(.eval, .json), lm-evaluation-harness (samples_*.jsonl) or verifiers (results.jsonl, "
            "traces.jsonl)"
        )
    return read_rows(path, config.columns, config.threshold)
