"""From loosely typed rows to attempts: what every reader of foreign files shares."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from analysis.study import PARALLEL
from sample.errors import UsageError
from sample.records import ANSWER, TRACE, Attempt, Failure, Graded, Ledger

_TRUE, _FALSE = (
    {"true", "t", "yes", "c", "correct", "1"},
    {"false", "f", "no", "i", "incorrect", "0"},
)
_FINISHES = {
    "stop": ("stop", "end_turn", "eos", "tool_calls", "completed", "finished"),
    "length": ("length", "max_tokens", "model_length", "truncated", "context_length"),
    "error": ("error", "failed", "timeout", "exception"),
    "budget": ("budget",),
    "unmade": ("unmade",),
}
_FINISH = {alias: finish for finish, aliases in _FINISHES.items() for alias in aliases}


@dataclass(frozen=True)
class Tokens:
    """Counts of one attempt, None = not known. prompt counts cached tokens in, generated all that
    the model wrote, reasoning included."""

    prompt: float | None = None
    cached: float | None = None
    reasoning: float | None = None
    generated: float | None = None


@dataclass(frozen=True)
class Row:
    """One attempt as a foreign file tells it; None = the file does not say.

    canonical: equal for equivalent answers; what is voted on.

    step: 1.. within a chain; replicate: which chain. A parallel attempt may lack either.
    """

    problem: str
    correct: bool | None
    answer: str | None = None
    canonical: str | None = None
    family: str = "data"
    arm: str = PARALLEL
    system: str = "base"
    replicate: int | None = None
    step: int | None = None
    finish: str = "stop"
    text: str = ""
    thinking: str = ""
    failure: str | None = None
    tokens: Tokens = Tokens()
    seconds: float | None = None
    score: float | None = None
    weight: float | None = None
    graded: Graded = ANSWER


def known(value: Any) -> bool:
    """False for None, NaN and empty text: what a table holds where it holds nothing."""
    if isinstance(value, float):
        return not math.isnan(value)
    return value is not None and value != ""


def grade(value: Any, threshold: float | None, where: str) -> bool | None:
    """A grade as true, false or None (not graded).

    threshold: a number at or above it is correct; without one only 0 and 1 are grades.

    Raises:
        UsageError: partial credit without a threshold, or a word that is no grade.
    """
    if not known(value):
        return None
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"{where}: {value!r:.40} is no grade; expected 0 or 1, true or false, C or I, or empty "
            "for not graded"
        ) from None
    if math.isnan(number):
        return None
    if threshold is not None:
        return number >= threshold
    if number not in (0, 1):
        raise UsageError(f"{where}: partial credit {number:g}; say what counts, e.g. --threshold 1")
    return number == 1


def answer_text(value: Any) -> str | None:
    """An answer as text; equal numbers are equal answers, whatever the file's type for them."""
    if not known(value):
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return str(value).strip() or None


def finish_name(value: Any, where: str) -> str:
    """ "stop", "length", "error", or what a budget of tokens left: "budget" (cut) or "unmade";
    nothing said = "stop".

    Raises:
        UsageError: a word that means none of them.
    """
    if not known(value):
        return "stop"
    name = _FINISH.get(str(value).strip().lower())
    if name is None:
        raise UsageError(f"{where}: unknown finish {value!r:.40}; expected stop, length or error")
    return name


def graded_name(value: Any, where: str) -> Graded:
    """What of an attempt was graded; nothing said = its answer.

    Raises:
        UsageError: neither "answer" nor "trace".
    """
    if not known(value) or value == ANSWER:
        return ANSWER
    if value != TRACE:
        raise UsageError(f"{where}: graded is {value!r:.40}; expected {ANSWER} or {TRACE}")
    return TRACE


def to_attempts(rows: Iterable[Row], attempts: int | None = None) -> list[Attempt]:
    """The rows as records; what a parallel row lacks of its place is dealt out in order.

    attempts: N, the size of the groups into which rows without any place are dealt; None = the
    longest chain in the rows, or else all parallel attempts of a problem. Replicates are numbered
    anew from 0, so they may be any whole numbers, e.g. seeds.

    Raises:
        UsageError: no rows, a chain without steps, or a place that is out of range or taken twice.
    """
    rows = _numbered(list(rows))
    if not rows:
        raise UsageError("the file holds no attempts")
    groups: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.family, row.problem, row.arm, row.system].append(row)
    size = attempts or max((row.step for row in rows if row.step is not None), default=None)
    return [_attempt(row) for group in groups.values() for row in _placed(group, size)]


def _numbered(rows: list[Row]) -> list[Row]:
    given = sorted({row.replicate for row in rows if row.replicate is not None})
    place: dict[int | None, int | None] = {name: i for i, name in enumerate(given)}
    return [replace(row, replicate=place.get(row.replicate)) for row in rows]


def _placed(group: Sequence[Row], size: int | None) -> list[Row]:
    """The attempts of one problem under one arm, each with replicate and step."""
    if group[0].arm != PARALLEL:
        placed = [replace(row, replicate=row.replicate or 0) for row in group]
    elif all(row.step is None and row.replicate is None for row in group):
        width = size or len(group)
        placed = [
            replace(row, replicate=i // width, step=i % width + 1) for i, row in enumerate(group)
        ]
    else:
        placed = list(_completed(group))
    _refuse_bad_places(placed)
    return placed


def _completed(group: Sequence[Row]) -> Iterator[Row]:
    """Independent attempts that say half of their place: the other half counts them up."""
    seen: Counter[tuple[str, int | None]] = Counter()
    for row in group:
        if row.step is None:
            seen["replicate", row.replicate] += 1
            yield replace(row, step=seen["replicate", row.replicate])
        elif row.replicate is None:
            yield replace(row, replicate=seen["step", row.step])
            seen["step", row.step] += 1
        else:
            yield row


def _refuse_bad_places(placed: Sequence[Row]) -> None:
    arm, problem, taken = placed[0].arm, placed[0].problem, set()
    for row in placed:
        if row.step is None:
            raise UsageError(
                f"arm {arm!r} holds chains, so every row needs its step (1, 2, ..); map one with "
                "--columns step=NAME, or call the arm 'parallel' if its attempts are independent"
            )
        if row.step < 1:
            raise UsageError(f"problem {problem}: 'step' counts from 1 (given: {row.step})")
        if (row.replicate, row.step) in taken:
            raise UsageError(
                f"problem {problem}, arm {arm!r}: attempt {row.step} of one replicate comes twice; "
                "say which model and chain each row is of: --columns system=NAME,replicate=NAME"
            )
        taken.add((row.replicate, row.step))


def _attempt(row: Row) -> Attempt:
    return Attempt(
        row.family,
        row.problem,
        row.arm,
        row.system,
        cast(int, row.replicate),
        cast(int, row.step),
        0,
        row.thinking,
        row.text,
        row.answer,
        row.canonical,
        row.correct,
        row.finish,
        _ledger(row),
        Failure("foreign", row.failure) if row.failure is not None else None,
        score=row.score,
        weight=row.weight,
    )


def _ledger(row: Row) -> Ledger:
    """Counts that the file does not give are NaN: the table reads them as not known, never 0."""
    tokens = row.tokens
    # without a split all of it counts as answer
    reasoning = 0 if tokens.reasoning is None and tokens.generated is not None else tokens.reasoning
    answer = None if tokens.generated is None else tokens.generated - (reasoning or 0)
    prompt, thinking, answer, seconds = (
        math.nan if value is None else value
        for value in (tokens.prompt, reasoning, answer, row.seconds)
    )
    cached = None if tokens.cached is None else int(tokens.cached)
    return Ledger(cast(int, prompt), cached, cast(int, thinking), cast(int, answer), seconds)
