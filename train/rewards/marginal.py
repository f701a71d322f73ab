"""Marginal coverage of the chain."""

from collections.abc import Sequence

from sample.grading import Grade
from train.rewards.correctness import correctness


def marginal(history: Sequence[Grade], attempts: Sequence[Grade]) -> list[float]:
    """1 for a correct answer where the history holds none, else 0: what it adds to coverage.

    Summed over a chain it is the chain's coverage. Repeating never pays, as every answer of such a
    history is wrong. Range {0, 1}. Degenerate: a history with a correct answer teaches nothing.
    Source: submodular coverage gain of a set, the group-free form of pass@k (arXiv 2505.15201).
    """
    if any(grade.correct for grade in history):
        return [0.0] * len(attempts)
    return correctness(attempts)
