"""Coverage: what an attempt adds to pass@k of its group (PKPO, arXiv 2505.15201, leave-one-out)."""

from collections.abc import Sequence
from math import comb

from sample.grading import Grade


def coverage(attempts: Sequence[Grade]) -> list[float]:
    """For a correct attempt, the chance that k-1 of the other attempts all fail; k = G // 2.

    Range [0, 1], 0 for a wrong attempt; with c correct of G it is C(G-c, k-1) / C(G-1, k-1), the
    unbiased estimate of what the attempt adds to pass@k. Rare successes earn most; a problem that
    is solved by nearly every attempt earns nothing more. Degenerate: none correct = no signal.
    """
    size, k = len(attempts), max(1, len(attempts) // 2)
    right = sum(attempt.correct for attempt in attempts)
    alone = comb(size - right, k - 1) / comb(size - 1, k - 1)
    return [attempt.correct * alone for attempt in attempts]
