"""Grades for training."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from sample.graders.base import NO_ANSWER
from sample.grading import Grade, GradingError, grade, together, waits
from sample.problems import Problem


class Grader:
    """Grades a text against a problem once, however often it comes back."""

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        self._problems = problems
        self._graded = lru_cache(maxsize=2**16)(self._grade)

    def __call__(self, problem: Problem, text: str) -> Grade:
        return self._graded(problem.id, text)

    def ahead(self, texts: Iterable[tuple[Problem, str]]) -> None:
        """Grade many beside each other, where a grade waits for another process."""
        waiting = {(problem.id, text) for problem, text in texts if waits(problem)}
        together(lambda one: self._graded(*one), sorted(waiting))

    def _grade(self, problem: str, text: str) -> Grade:
        try:
            return grade(self._problems[problem], text)
        except GradingError:
            # A reward must be a number: an answer that cannot be judged earns nothing.
            return NO_ANSWER
