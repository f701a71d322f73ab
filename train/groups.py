"""What a reward is paid for."""

from dataclasses import dataclass

from sample.grading import Grade


@dataclass(frozen=True)
class Group:
    """Attempts from the same history, all graded. family: of their problem.

    lengths: tokens of each attempt. logps: log-probability of each attempt under the model that
    made it, at temperature 1; None where no reward asks for it.
    """

    family: str
    history: tuple[Grade, ...]
    attempts: tuple[Grade, ...]
    lengths: tuple[int, ...]
    logps: tuple[float, ...] | None = None
