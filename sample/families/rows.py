"""Rows of a table made into problems."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sample.errors import UsageError
from sample.families import code_rows
from sample.families.columns import Columns
from sample.families.options import RowOptions
from sample.problems import Problem, question_key

COLUMNS = ("question", "answer")
"""What rows of the grader math have."""

Row = tuple[str, Mapping[str, Any]]
"""Where a row stands, e.g. "data.jsonl, line 3", and its columns."""


def problems_of(
    family: str, rows: Iterable[Row], options: RowOptions, refuse_repeats: bool
) -> Iterator[Problem]:
    """One problem a row.

    Raises:
        UsageError: a column is missing, empty or not what it should be, there are no rows, or two
            rows ask the same although repeats are refused.
    """
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            problem = _problem(family, row, options)
        except ValueError as error:
            raise UsageError(f"problems.{family}: {where}: {error}") from None
        except RecursionError:
            raise UsageError(f"problems.{family}: {where}: nested too deep") from None
        first = seen.setdefault(problem.key, where)
        if refuse_repeats and first != where:
            raise UsageError(
                f"problems.{family}: {where}: the same question as {first}; remove one of the two"
            )
        yield problem
    if not seen:
        raise UsageError(f"problems.{family}: no rows; check the file, split or config")


def _problem(family: str, row: Mapping[str, Any], options: RowOptions) -> Problem:
    if options.grader == "code":
        question, metadata = code_rows.read(row, options)
        answer = ""
    else:
        columns = Columns(row, options.columns)
        question, answer, metadata = columns["question"], _answer(columns["answer"], options), {}
    return Problem(
        family=family,
        question=question,
        answer=answer,
        grader=options.grader,
        key=question_key(question),
        metadata=metadata,
        held_out=options.held_out,
    )


def _answer(text: str, options: RowOptions) -> str:
    mark = options.answer_after
    if not mark:
        return text
    _, found, answer = text.rpartition(mark)
    if not found or not answer.strip():
        raise ValueError(f"nothing follows {mark!r} in the answer {text!r:.60}")
    return answer.strip()
