"""Repetition: a penalty on chains with few different answers."""

from collections.abc import Sequence

from sample.grading import Grade


def repetition(history: Sequence[Grade], attempts: Sequence[Grade]) -> list[float]:
    """Minus (1 - E/T) of the chain that ends with the attempt: E different answers of T.

    A malformed answer is no different one. Within a group only the last answer differs, so it
    teaches what novelty without a gate teaches, at 1/T of the weight: deep histories count less.
    Range [-1, 0]. Degenerate: 0 where the history is empty; it pays for leaving right answers.
    Source: UFO, arXiv 2507.14295.
    """
    if not history:
        return [0.0] * len(attempts)
    length = len(history) + 1
    known = {grade.canonical for grade in history} - {None}
    return [len((known | {a.canonical}) - {None}) / length - 1 for a in attempts]
