"""Feedback that a problem's public tests give: the part of its tests that an attempt may see."""

from collections.abc import Awaitable, Callable

from sample.graders import code
from sample.grading import beside
from sample.problems import Problem


def public_tests(problem: Problem) -> Callable[[str], Awaitable[str]] | None:
    """What runs the public tests of this problem on an answer text; None = it has none.

    The same text gives the same words whenever it is run: a resumed chain asks again.
    """
    if problem.grader != "code" or not problem.metadata["public"]:
        return None

    async def run(text: str) -> str:
        return (await beside(code.feedback, problem, text)).text

    return run
