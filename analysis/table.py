"""Attempt records as arrays: one cell per (family, system, arm), shaped [problem, replicate, step].

A failed attempt is wrong and has no answer, in every arm, and so is a truncated one, unless traces
were graded; an attempt that was not graded is NaN, never wrong; a missing attempt is NaN too and
not ``present``, and so is a skipped one, which its problem does not allow. So is one that the
chain's budget of tokens cut or did not allow: that is ``short``, and no question of data.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from sample.errors import UsageError
from sample.records import TRACE, Attempt

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CellKey = tuple[str, str, str]

FINISHES = ("stop", "length", "error", "budget")
SKIPPED, UNMADE = len(FINISHES), len(FINISHES) + 1
_CODES = {name: code for code, name in enumerate((*FINISHES, "skipped", "unmade"))}
_CUT = _CODES["budget"]
_LEFT_OUT = ("skipped", "budget", "unmade")
NO_ANSWER = -1
_NAN = float("nan")
TOKENS = ("prompt", "cached", "thinking", "answer")
_MARKS = {"score": -np.inf, "weight": 0.0}
"""What an attempt may carry, with what a failed one is given."""
_COLUMNS = ("problem", "replicate", "step", "answer", "correct", "finish", *TOKENS, "record")
_FIRST_TOKEN = _COLUMNS.index(TOKENS[0])
WIDTH = len(_COLUMNS) + len(_MARKS)
_pack = Struct(f"{WIDTH}d").pack


@dataclass(frozen=True)
class Cell:
    """All attempts of one arm of one system on one family; arrays are [problem, replicate, step].

    correct: 1, 0, or NaN (not graded, missing, or short).
    answer: code of the canonical answer, comparable between the cells of a family within one
        problem; -1 = no answer.
    present: there is a record of an attempt that was made and came to its end.
    finish: index into FINISHES, SKIPPED, UNMADE or -1 = missing.
    tokens: kind -> counts, NaN where the engine could not say; 0 where a budget allowed no attempt.
    marks: "score" and "weight", those that any attempt has; NaN = it has none. One that failed or
        was truncated has the worst of each, so that it is never chosen before another.
    record: the place of the attempt among the records, from 0; -1 = missing.
    """

    correct: Floats
    answer: Integers
    present: NDArray[np.bool_]
    finish: Integers
    tokens: Mapping[str, Floats]
    marks: Mapping[str, Floats] = field(default_factory=dict)
    record: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @property
    def short(self) -> NDArray[np.bool_]:
        """The budget of the chain cut the attempt, or was spent before it."""
        return (self.finish == _CUT) | (self.finish == UNMADE)

    @property
    def made(self) -> NDArray[np.bool_]:
        """There is a record of an attempt that was made, to its end or not."""
        return self.present | (self.finish == _CUT)


@dataclass(frozen=True)
class Table:
    """problems: family -> ids in the order of the first axis of its cells (sorted).

    records: how many were read; duplicates: records that replaced an earlier one of the same key;
    beyond: records of steps above the chain length, left out; configs: config hashes seen.
    graded: family -> what of its attempts was graded.
    """

    cells: Mapping[CellKey, Cell]
    problems: Mapping[str, tuple[str, ...]]
    steps: int
    records: int
    duplicates: int
    beyond: int
    configs: tuple[str, ...]
    graded: Mapping[str, frozenset[str]] = field(default_factory=dict)


class _Reader:
    """One pass over the records into flat columns, strings replaced by codes."""

    def __init__(self) -> None:
        self.rows: dict[CellKey, bytearray] = defaultdict(bytearray)
        self.read = 0
        self.problems: dict[str, dict[str, int]] = defaultdict(dict)
        self.answers: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        self.configs: set[str] = set()
        self.graded: dict[str, set[str]] = defaultdict(set)

    def add(self, attempt: Attempt) -> None:
        family, problem, finish, ledger = (
            attempt.family, attempt.problem, attempt.finish, attempt.ledger,
        )  # fmt: skip
        known, answer = self.problems[family], NO_ANSWER
        usable = finish == "stop" or (finish == "length" and attempt.graded == TRACE)
        if usable and attempt.canonical is not None:
            codes = self.answers[family, problem]
            answer = codes.setdefault(attempt.canonical, len(codes))
        graded = attempt.correct if usable else None if finish in _LEFT_OUT else 0
        row = _pack(
            known.setdefault(problem, len(known)),
            attempt.replicate,
            attempt.step,
            answer,
            _NAN if graded is None else graded,
            _finish_code(finish),
            ledger.prompt,
            _NAN if ledger.cached is None else ledger.cached,
            ledger.thinking,
            ledger.answer,
            self.read,
            _mark(attempt.score, usable, "score"),
            _mark(attempt.weight, usable, "weight"),
        )
        self.rows[family, attempt.system, attempt.arm] += row
        self.configs.add(attempt.config)
        self.graded[family].add(attempt.graded)
        self.read += 1


def _mark(given: float | None, usable: bool, name: str) -> float:
    if not usable:
        return _MARKS[name]
    return _NAN if given is None else given


def _finish_code(finish: str) -> int:
    if finish not in _CODES:
        raise UsageError(
            f"records: unknown finish {finish!r}; expected {', '.join(_CODES)}; "
            "sample again with this version"
        )
    return _CODES[finish]


def build_table(attempts: Iterable[Attempt], steps: int | None = None) -> Table:
    """Arrays of the records.

    steps: the chain length N; None = the largest step seen. Later steps are left out.

    Raises:
        UsageError: no records, or a finish that is not known.
    """
    reader = _Reader()
    for attempt in attempts:
        reader.add(attempt)
    if not reader.rows:
        raise UsageError("records: no attempts to analyse; run `forage sample` first")
    flat = {key: np.frombuffer(rows).reshape(-1, WIDTH) for key, rows in reader.rows.items()}
    known = {family: list(problems) for family, problems in reader.problems.items()}
    table = arrange(flat, known, steps, reader.configs)
    graded = {family: frozenset(kinds) for family, kinds in reader.graded.items()}
    return replace(table, graded=graded)


def arrange(
    rows: Mapping[CellKey, Floats],
    problems: Mapping[str, Sequence[str]],
    steps: int | None = None,
    configs: Iterable[str] = (),
) -> Table:
    """Arrays of flat columns, one row an attempt.

    rows: [attempt, WIDTH]: place of the problem in ``problems``, replicate, step, code of the
        answer, correct, finish (as in ``Cell``), the TOKENS, place among the records, then the
        marks, NaN where there are none.
    steps: see ``build_table``.
    """
    length = steps or int(max(some[:, 2].max() for some in rows.values()))
    order = {family: sorted(known) for family, known in problems.items()}
    places = {family: _places(known, order[family]) for family, known in problems.items()}
    cells = {key: _cell(some, places[key[0]], length) for key, some in rows.items()}
    beyond = sum(int((some[:, 2] > length).sum()) for some in rows.values())
    records = sum(len(some) for some in rows.values())
    kept = sum(int((cell.finish >= 0).sum()) for cell in cells.values())
    return Table(
        cells,
        {family: tuple(ids) for family, ids in order.items()},
        length,
        records,
        records - beyond - kept,
        beyond,
        tuple(sorted(configs)),
    )


def _places(seen: Sequence[str], ordered: Sequence[str]) -> Integers:
    position = {problem: i for i, problem in enumerate(ordered)}
    return np.array([position[problem] for problem in seen])


def _cell(rows: Floats, places: Integers, steps: int) -> Cell:
    rows = rows[rows[:, 2] <= steps]
    replicates = int(rows[:, 1].max()) + 1 if len(rows) else 1
    shape = (len(places), replicates, steps)
    index = (
        places[rows[:, 0].astype(np.int64)],
        rows[:, 1].astype(np.int64),
        rows[:, 2].astype(np.int64) - 1,
    )

    def spread(column: int, empty: float) -> Floats:
        values = np.full(shape, empty)
        values[index] = rows[:, column]
        return values

    finish = spread(5, -1).astype(np.int64)
    tokens = {kind: spread(_FIRST_TOKEN + i, np.nan) for i, kind in enumerate(TOKENS)}
    answer = spread(3, NO_ANSWER).astype(np.int64)
    present = (finish >= 0) & (finish < _CUT)
    marks = {name: spread(len(_COLUMNS) + i, np.nan) for i, name in enumerate(_MARKS)}
    given = finish == FINISHES.index("stop")
    marks = {name: values for name, values in marks.items() if not np.isnan(values[given]).all()}
    record = spread(_COLUMNS.index("record"), -1).astype(np.int64)
    return Cell(spread(4, np.nan), answer, present, finish, tokens, marks, record)
