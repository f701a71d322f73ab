"""What every grader gives back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Grade:
    """answer: what was extracted, None if nothing was. canonical: equal for equivalent answers,
    None if the answer is malformed (then it is also wrong)."""

    answer: str | None
    canonical: str | None
    correct: bool


NO_ANSWER = Grade(None, None, False)


class GradingError(Exception):
    """The grader could not judge an answer: the attempt is not graded, which is not wrong."""
