"""Feedback that a problem's public tests give: the part of its tests that an attempt may see."""

from collections.abc import Awaitable, Callable

from sample.problems import Problem

Run = Callable[[Problem, str], Awaitable[str]]

RUNNERS: dict[str, Run] = {}
"""Grader -> (problem, answer text) -> what its public tests say, as the user would tell a model.

The same text must give the same words whenever it is run: a resumed chain asks again.
"""


def public_tests(problem: Problem) -> Callable[[str], Awaitable[str]] | None:
    """What runs the public tests of this problem on an answer text; None = it has none."""
    run = RUNNERS.get(problem.grader)
    return None if run is None else lambda text: run(problem, text)
