"""Answer text in, grade out. Only the answer is graded, never the thinking trace."""

from collections.abc import Callable, Mapping

from sample.graders import code, math, reasoning_gym
from sample.graders.base import Grade, GradingError
from sample.problems import Problem

__all__ = ["BLOCKING", "GRADERS", "Grade", "GradingError", "grade"]

GRADERS: Mapping[str, Callable[[Problem, str], Grade]] = {
    "code": code.grade,
    "math": math.grade,
    "reasoning_gym": reasoning_gym.grade,
}

BLOCKING = frozenset({"code"})
"""Graders that wait for other processes: to be called beside an event loop, not in it."""


def grade(problem: Problem, text: str) -> Grade:
    """Grade the final answer text of an attempt with the grader that the problem names.

    Raises:
        GradingError: the grader could not judge this answer; it is not graded, never wrong.
        UsageError: the grader needs something that is not there.
    """
    return GRADERS[problem.grader](problem, text)
