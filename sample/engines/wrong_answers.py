"""Wrong answers that have the form a problem asks for, as a model would give them."""

import itertools
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from sample.errors import UsageError
from sample.grading import grade
from sample.problems import Problem

_TRIES = 1000
_OPERATORS = re.compile(r"[-+*/]")


def wrong_answers(problem: Problem, count: int) -> list[str]:
    """Up to ``count`` answers, no two of them equivalent, all graded as wrong; at least one.

    Raises:
        UsageError: none is found.
    """
    found: dict[str, str] = {}
    for answer in itertools.islice(_candidates(problem.answer), _TRIES):
        graded = grade(problem, answer)
        if graded.correct is False and graded.canonical is not None:
            found.setdefault(graded.canonical, answer)
        if len(found) == count:
            break
    if not found:
        raise UsageError(
            f"scripted engine: no wrong answer of the right form is known for the problem "
            f"{problem.question!r:.60}; use problems whose answer is a number or an expression"
        )
    return list(found.values())


def _candidates(gold: str) -> Iterator[str]:
    """Neighbours of a number; else the expression with other operators."""
    try:
        number = Decimal(gold.replace(",", ""))
    except InvalidOperation:
        yield from _other_operators(gold)
        return
    for offset in itertools.count(1):
        yield str(number + offset)
        yield str(number - offset)


def _other_operators(expression: str) -> Iterator[str]:
    parts = _OPERATORS.split(expression)
    for operators in itertools.product("+-*/", repeat=len(parts) - 1):
        yield "".join(itertools.chain(*itertools.zip_longest(parts, operators, fillvalue="")))
