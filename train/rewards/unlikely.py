"""Unlikeliness: what likely attempts lose."""

from collections.abc import Sequence


def unlikely(logps: Sequence[float], weight: float) -> list[float]:
    """The factor on the quality of each attempt: 1 - weight x (G - rank) / G.

    logps: of the whole attempts. rank: 0 for the likeliest of the group of G; equal ones share
    their mean rank. It undoes the pull of GRPO to what is likely already, for correct attempts
    alone, as a wrong one has no quality to lose.
    Range [1 - weight, 1 - weight/G]. Degenerate: a group of equal attempts gets one factor, and
    long attempts count as unlikely. Source: arXiv 2506.02355, weight 0.25 there.
    """
    size = len(logps)
    return [1 - weight * (size - _rank(one, logps)) / size for one in logps]


def _rank(one: float, logps: Sequence[float]) -> float:
    likelier = sum(other > one for other in logps)
    return likelier + (sum(other == one for other in logps) - 1) / 2
