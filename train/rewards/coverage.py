"""Coverage: what an attempt adds to pass@k of its group."""

from collections.abc import Sequence
from math import comb

from sample.grading import Grade


def coverage(attempts: Sequence[Grade], k: int) -> list[float]:
    """For a correct attempt, the chance that k-1 of the other attempts all fail; k in 1..G.

    With c correct of G it is C(G-c, k-1) / C(G-1, k-1). Times k/G it is PKPO's reward with the
    baseline of sets of k-1 (arXiv 2505.15201), whose sum of reward x score over a group is unbiased
    for the gradient of pass@k, for any k. k = 1 is correctness. With baseline: none in the method
    that is what the trainer learns by. Else it also subtracts the group's mean: at success rate p
    the slope in p, G (1-p)^(k-1), becomes (G-1) (1-p)^(k-1) + (k-1) p (1-p)^(k-2), of the same
    sign, with more weight on easy problems.
    Range [0, 1], 0 for a wrong attempt. Rare successes earn most; where more than G-k+1 attempts
    are correct nothing is paid. Degenerate: none correct = no signal.
    """
    size = len(attempts)
    right = sum(attempt.correct for attempt in attempts)
    alone = comb(size - right, k - 1) / comb(size - 1, k - 1)
    return [attempt.correct * alone for attempt in attempts]
