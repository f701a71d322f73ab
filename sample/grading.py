"""Answer text in, grade out. Only the answer is graded, unless a problem set asks for the trace."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sample.graders import code, math, reasoning_gym
from sample.graders.base import Grade, GradingError
from sample.problems import Problem
from sample.records import TRACE

__all__ = [
    "GRADERS", "Grade", "GradingError", "beside", "grade", "graded_text", "together", "waits",
]  # fmt: skip

T = TypeVar("T")

GRADERS: Mapping[str, Callable[[Problem, str], Grade]] = {
    "code": code.grade,
    "math": math.grade,
    "reasoning_gym": reasoning_gym.grade,
}

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="grader")


def grade(problem: Problem, text: str) -> Grade:
    """Grade the final answer text of an attempt with the grader that the problem names.

    Raises:
        GradingError: the grader could not judge this answer; it is not graded, never wrong.
        UsageError: the grader needs something that is not there.
    """
    return GRADERS[problem.grader](problem, text)


def graded_text(problem: Problem, thinking: str, text: str) -> str:
    """What of an attempt is graded: its text, or where the trace is asked for, the last boxed value
    of thinking and text together, if there is one."""
    boxed = math.last_boxed(f"{thinking}\n{text}") if problem.graded == TRACE else None
    return text if boxed is None else f"\\boxed{{{boxed}}}"


def waits(problem: Problem) -> bool:
    """Whether grading waits for another process, so that it must not run in an event loop."""
    return problem.grader != "reasoning_gym" or reasoning_gym.waits(problem)


async def beside(function: Callable[..., T], *args: Any) -> T:
    """Call a function that waits, and let the event loop go on meanwhile."""
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *args)


def together(function: Callable[[T], Any], items: Iterable[T]) -> None:
    """Call a function that waits for each of many, a few at a time.

    Raises: what the first failed call did.
    """
    for _ in _threads.map(function, items):
        pass
