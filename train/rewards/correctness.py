"""Correctness."""

from collections.abc import Sequence

from sample.grading import Grade


def correctness(attempts: Sequence[Grade]) -> list[float]:
    """1 for a correct answer, else 0; a truncated or malformed attempt is not correct.

    Range {0, 1}. Degenerate: a group of equal rewards teaches nothing.
    Source: GRPO with verifiable rewards, arXiv 2402.03300.
    """
    return [float(attempt.correct) for attempt in attempts]
