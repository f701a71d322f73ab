"""A run as a Parquet table, or as a dataset folder that the Hub and ``datasets`` read."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from analysis.foreign.columns import need_arrow
from sample.errors import ForageError, UsageError
from sample.records import Attempt
from sample.store import read_attempts

_KINDS = {
    "replicate": "int64",
    "step": "int64",
    "seed": "uint64",
    "correct": "bool_",
    "prompt_tokens": "int64",
    "cached_tokens": "int64",
    "thinking_tokens": "int64",
    "answer_tokens": "int64",
    "generated_tokens": "int64",
    "seconds": "float64",
    "score": "float64",
    "weight": "float64",
    "schema_version": "int64",
}
_LEDGER = {"prompt": "prompt_tokens", "cached": "cached_tokens", "thinking": "thinking_tokens"}
_NESTED = ("ledger", "failure")
_FILE_SUFFIX = re.compile(r"\.(?!parquet$)[A-Za-z]\w{0,7}")
"""What no folder's name ends in by chance; ".5" of "run-0.5" is none."""
_CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/attempts.parquet
---

# Attempts of {name}

One row per attempt, {count:,} in all. `arm` is the strategy, `system` the model with or without
adapter, `replicate` the chain (or group of parallel attempts), `step` the attempt in it. `correct`
and token counts are null where they are not known. Made with Forage.
"""


def export_run(folder: Path, target: Path) -> Path:
    """Write ``attempts.jsonl`` of a run folder to ``target``; gives the path of the table.

    A target that ends in .parquet becomes that one file; any other a dataset folder, for
    ``datasets.load_dataset(folder)``.

    Raises:
        UsageError: no records, pyarrow is not installed, or the target is a file that is there or
            named like one of another format.
        ForageError: it cannot be written.
    """
    _refuse_other_formats(target)
    attempts = read_attempts(folder / "attempts.jsonl")
    if not attempts:
        raise UsageError(f"{folder} holds no attempts yet; first: forage sample {folder}")
    if target.suffix == ".parquet":
        return write_parquet(attempts, target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already and not an empty folder; name another")
    table = write_parquet(attempts, target / "data" / "attempts.parquet")
    card = _CARD.format(name=folder.resolve().name, count=len(attempts))
    (target / "README.md").write_text(card, encoding="utf-8")
    return table


def _refuse_other_formats(target: Path) -> None:
    if _FILE_SUFFIX.fullmatch(target.suffix) and not target.is_dir():
        table, folder = target.with_suffix(".parquet"), target.with_suffix("")
        raise UsageError(
            f"-o {target}: expected a file NAME.parquet or a folder (given: a name that ends in "
            f"{target.suffix}); use -o {table} or -o {folder}"
        )


def write_parquet(attempts: Sequence[Attempt], path: Path) -> Path:
    """The attempts as one table, columns named as `forage analyze` reads them."""
    arrow = need_arrow()
    rows = [to_columns(attempt) for attempt in attempts]
    names = list(to_columns(attempts[0]))
    schema = arrow.schema([(name, getattr(arrow, _KINDS.get(name, "string"))()) for name in names])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrow.parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), path)
    except OSError as error:
        raise ForageError(f"cannot write {path}: {error}") from None
    return path


def to_columns(attempt: Attempt) -> dict[str, Any]:
    """One flat row; ``answer`` stays what was extracted, ``canonical`` what is voted on.

    rejected: the rejected draws as JSON text, null where there are none.
    """
    row = {n: getattr(attempt, n) for n in Attempt.__struct_fields__ if n not in _NESTED}
    ledger, failure = attempt.ledger, attempt.failure
    row |= {column: _count(getattr(ledger, name)) for name, column in _LEDGER.items()}
    row["answer_tokens"] = _count(ledger.answer)
    row["generated_tokens"] = _count(ledger.generated)
    row["seconds"] = None if math.isnan(ledger.seconds) else float(ledger.seconds)
    draws = to_builtins(attempt.rejected)
    row["rejected"] = json.dumps(draws, ensure_ascii=False) if draws else None
    row["failure_type"] = failure and failure.type
    row["failure_message"] = failure and failure.message
    return row


def _count(value: float | None) -> int | None:
    return None if value is None or math.isnan(value) else int(value)
