"""Answers that their grader could not judge, judged again: their texts are recorded, so nothing is
generated anew. What was made after them, from what was known then, stays as it is."""

from collections.abc import Iterable, Mapping

from msgspec import structs

from sample.errors import UsageError
from sample.grading import Grade, grade, graded_text, together
from sample.problems import Problem
from sample.progress import say
from sample.records import Attempt
from sample.runfolder import RunFolder, write_atomically
from sample.scheduler import Plan
from sample.store import read_attempts, to_line

_TEXTLESS = frozenset({"error", "skipped", "unmade"})
Key = tuple[str, str, str, int, int]


def ungraded(attempt: Attempt) -> bool:
    """Whether there is a text and no grade of it."""
    return attempt.correct is None and attempt.finish not in _TEXTLESS


def regrade(folder: RunFolder, plans: Iterable[Plan], problems: Mapping[str, Problem]) -> None:
    """Grade what the plans ask for and could not be judged; what still cannot stays as it is.

    problems: by id, all those that the plans ask for.

    Raises:
        UsageError: damaged records, or a grader that lacks something that the user can mend.
        ForageError: the disk is full.
    """
    attempts = read_attempts(folder.attempts) if folder.attempts.exists() else []
    again = [a for a in attempts if ungraded(a) and any(plan.asks_for(a) for plan in plans)]
    if not again:
        return
    judged = _judged(again, problems)
    lines = (to_line(judged.get(attempt.key, attempt)).decode() for attempt in attempts)
    write_atomically(folder.attempts, "".join(lines))
    say(f"graded again: {len(again)} attempts, of which {len(judged)} now have a grade")


def _judged(attempts: Iterable[Attempt], problems: Mapping[str, Problem]) -> dict[Key, Attempt]:
    found: dict[Key, Attempt] = {}

    def judge(attempt: Attempt) -> None:
        try:
            problem = problems[attempt.problem]
            text = graded_text(problem, attempt.thinking, attempt.text)
            found[attempt.key] = _graded(attempt, grade(problem, text))
        except UsageError:
            raise
        except Exception:
            # as when it was made: not judged is not graded, never wrong
            return

    together(judge, attempts)
    return found


def _graded(attempt: Attempt, result: Grade) -> Attempt:
    return structs.replace(
        attempt,
        answer=result.answer,
        canonical=result.canonical,
        correct=result.correct,
        failure=None,
    )
