"""What is taken out of rows before they become attempts; each step tells how much it took."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from analysis.foreign.rows import Row
from analysis.study import PARALLEL
from sample.errors import UsageError

Place = tuple[str, str, str, str, int | None, int]

_EMPTY_WORDS = {"nan", "NaN", "null", "None"}
"""How tables write that there is nothing; "NA" is not one of them, it may be an answer."""
_NAMED = 3


def without_empty_words(rows: Iterable[Row]) -> tuple[list[Row], int]:
    """The rows with no answer where the answer is such a word, and how many those are."""
    rows = list(rows)
    kept = [
        replace(row, answer=_meant(row.answer), canonical=_meant(row.canonical)) for row in rows
    ]
    return kept, sum(one != other for one, other in zip(rows, kept, strict=True))


def _meant(answer: str | None) -> str | None:
    return None if answer in _EMPTY_WORDS else answer


def without_copies(rows: Iterable[Row]) -> tuple[list[Row], int]:
    """The rows without those that say the same of an attempt once more, and how many those are.

    Only rows that say which attempt they are of: others may be equal by chance.

    Raises:
        UsageError: rows that say different things of one attempt.
    """
    kept: list[Row] = []
    seen: dict[Place, Row] = {}
    clashes: dict[Place, None] = {}
    copies = 0
    for row in rows:
        place = _place(row)
        if place is None or place not in seen:
            kept.append(row)
        elif seen[place] == row:
            copies += 1
        else:
            clashes[place] = None
        if place is not None:
            seen.setdefault(place, row)
    if clashes:
        raise UsageError(_refusal(list(clashes)))
    return kept, copies


def _place(row: Row) -> Place | None:
    if row.step is None or (row.replicate is None and row.arm == PARALLEL):
        return None
    return row.family, row.problem, row.system, row.arm, row.replicate, row.step


def _refusal(places: Sequence[Place]) -> str:
    named = "; ".join(_named(place) for place in places[:_NAMED])
    more = f"; and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    if any(place[4] is None for place in places):
        advice = "say which chain each row is of, --columns replicate=NAME"
    else:
        advice = "delete all but one row of each"
    return (
        f"rows that differ are of the same attempt: {named}{more}; {advice}, or, if the models "
        "differ, --columns system=NAME"
    )


def _named(place: Place) -> str:
    family, problem, system, arm, replicate, step = place
    chain = "" if replicate is None else f", replicate {replicate}"
    return f"{family}, problem {problem}, {system}/{arm}{chain}, step {step}"
