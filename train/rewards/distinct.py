"""Correctness shared among equal answers of a group."""

from collections import Counter
from collections.abc import Sequence

from sample.grading import Grade


def distinct(attempts: Sequence[Grade]) -> list[float]:
    """1/m for a correct answer that m attempts of the group gave, else 0.

    Range [0, 1]; the group's sum is its number of different correct answers. Degenerate: where
    only one answer is right, a group of correct attempts is paid 1 in all, as one correct one is.
    Ours; ``distance`` is the published way to pay for difference within a group.
    """
    count = Counter(attempt.canonical for attempt in attempts)
    return [a.correct / count[a.canonical] for a in attempts]
