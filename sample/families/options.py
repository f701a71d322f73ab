"""The options of problem sets that are read rather than generated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class RowOptions:
    """How rows become problems.

    columns: what is needed -> the column it stands in. For the grader "math" these are question and
        answer; for "code" see ``sample.families.code_rows``. A column of its own name need not be
        named.
    answer_after: the gold answer is what follows this mark, e.g. "####"; empty = all of it.
    grader: "math" or "code". layout: "plain", or the code benchmark whose columns the rows have.
    held_out: an evaluation set, all of it of the test split. If false, rows fall into train, dev
        and test by the hash of their question, so that part of them can be trained on.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    answer_after: str = ""
    grader: Literal["math", "code"] = "math"
    layout: Literal["plain", "humaneval", "mbpp", "livecodebench"] = "plain"
    held_out: bool = True


@dataclass(frozen=True)
class HubOptions(RowOptions):
    """config, split, revision: as ``datasets.load_dataset`` takes them; empty = its default.

    files: JSONL, CSV or Parquet files of the dataset to read instead, if its layout is one that the
        library cannot load (LiveCodeBench has a loading script, which would have to be run).
    """

    config: str = ""
    split: str = "test"
    revision: str = ""
    files: tuple[str, ...] = ()
