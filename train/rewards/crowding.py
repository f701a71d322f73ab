"""Batch exploration: a penalty on answers that the group gives often."""

from collections import Counter
from collections.abc import Sequence

from sample.grading import Grade


def crowding(attempts: Sequence[Grade]) -> list[float]:
    """Minus the share of the group that is another attempt with the same answer.

    A malformed attempt is as crowded as can be (ours), else it would be a way out.
    Range [-(G-1)/G, 0], whether correct or not. Degenerate: where all answers are equal, or all
    different, it teaches nothing; it pays for leaving right answers, so keep the weight below the
    quality's. Source: batch exploration of outcome-based exploration, arXiv 2509.06941.
    """
    size = len(attempts)
    count = Counter(attempt.canonical for attempt in attempts)
    count[None] = size
    return [(1 - count[attempt.canonical]) / size for attempt in attempts]
