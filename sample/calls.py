"""One call of an engine and the grade of what it gave; what fails is a record, not an error."""

import time
from typing import Any

from sample.engines.base import Engine, Generation, Request
from sample.errors import ForageError, UsageError, one_line
from sample.grading import Grade, beside, grade, graded_text, waits
from sample.problems import Problem
from sample.records import Attempt, Failure, Ledger


async def generate(engine: Engine, request: Request, system: str) -> Generation:
    """What the engine makes of a request; a call that fails has the finish "error".

    Raises:
        ForageError: the engine cannot go on.
    """
    start = time.perf_counter()
    try:
        return await engine.generate(request)
    except ForageError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
            raise ForageError(
                f"system {system}: out of memory; give the same command again with a smaller "
                "batch: --set sample.models.NAME.batch=32"
            ) from None
        ledger = Ledger(0, None, 0, 0, time.perf_counter() - start)
        return Generation("", "", "error", ledger, _failure(error))


class ProblemGrader:
    """The grades of answers to one problem, each text graded once: chains repeat themselves, and
    graders are slow."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._grades: dict[str, Grade] = {}

    async def __call__(self, generation: Generation) -> tuple[Grade | None, Failure | None]:
        """The grade, or why there is none: not graded is None, never wrong.

        Raises:
            UsageError: the grader lacks something that the user can mend.
        """
        text = graded_text(self._problem, generation.thinking, generation.text)
        known = self._grades.get(text)
        if known is not None and generation.finish != "error":
            return known, generation.failure
        if waits(self._problem):
            result, failure = await beside(_grade, self._problem, text, generation)
        else:
            result, failure = _grade(self._problem, text, generation)
        if result is not None:
            self._grades[text] = result
        return result, failure


def record(
    problem: Problem,
    generation: Generation,
    result: Grade | None,
    failure: Failure | None,
    **place: Any,
) -> Attempt:
    """A call and its grade as a record. place: the fields that say where it stands in a run."""
    return Attempt(
        family=problem.family,
        problem=problem.id,
        thinking=generation.thinking,
        text=generation.text,
        answer=result and result.answer,
        canonical=result and result.canonical,
        correct=result and result.correct,
        finish=generation.finish,
        ledger=generation.ledger,
        failure=failure,
        graded=problem.graded,
        **place,
    )


def _grade(
    problem: Problem, text: str, generation: Generation
) -> tuple[Grade | None, Failure | None]:
    if generation.finish == "error":
        return None, generation.failure
    try:
        return grade(problem, text), generation.failure
    except UsageError:
        raise
    except Exception as error:
        return None, _failure(error)


def _failure(error: Exception) -> Failure:
    return Failure(type(error).__name__, one_line(error, 500))
