"""Answer text in, grade out. Only the answer is graded, never the thinking trace."""

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from sample.expressions import canonical_form, numbers_in, parse_arithmetic
from sample.graders import code
from sample.graders.base import Grade, GradingError
from sample.problems import Problem

__all__ = ["BLOCKING", "Grade", "GradingError", "grade"]

BLOCKING = frozenset({"code"})
"""Graders that wait for other processes: to be called beside an event loop, not in it."""


def grade(problem: Problem, text: str) -> Grade:
    """Grade the final answer text of an attempt with the problem's own scorer.

    Raises:
        GradingError: the grader could not judge this answer; it is not graded, never wrong.
        UsageError: the grader needs something that is not there.
    """
    if problem.grader == "code":
        return code.grade(problem, text)
    answer = text.strip()
    if not answer:
        return Grade(None, None, False)
    canonical = canonical_answer(problem, answer)
    if canonical is None:
        return Grade(answer, None, False)
    return Grade(answer, canonical, _score(problem, answer) >= 1.0)


def canonical_answer(problem: Problem, answer: str) -> str | None:
    """The equivalence class of an answer, or None if it has not the form the problem asks for."""
    if problem.metadata.get("task") == "countdown":
        tree = parse_arithmetic(answer)
        if tree is None or numbers_in(tree) != sorted(problem.metadata["entry"]["numbers"]):
            return None
        return canonical_form(tree)
    return _canonical_number(answer)


def _canonical_number(answer: str) -> str | None:
    try:
        value = Decimal(answer.replace(",", ""))
    except InvalidOperation:
        return None
    return str(value.normalize() + 0) if value.is_finite() else None


def _score(problem: Problem, answer: str) -> float:
    entry = {"answer": problem.answer, "metadata": problem.metadata["entry"]}
    return _scorer(problem.metadata["task"]).score_answer(answer, entry)


@lru_cache
def _scorer(task: str) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(task, seed=0, size=1)
