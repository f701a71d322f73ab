"""Novelty against the history."""

from collections.abc import Sequence

from sample.grading import Grade


def novelty(history: Sequence[Grade], attempts: Sequence[Grade], gate: str) -> list[float]:
    """1 for a well-formed answer that the history does not hold, else 0.

    gate: "solved" pays nothing once the history holds a correct answer; "wrong" pays a correct
    answer in any case, so that only repeating a wrong one goes unpaid. With "none" the model
    learns to leave right answers.
    Range {0, 1}. Degenerate: with an empty history every answer is new, so nothing is paid.
    Source: the repetition penalty of UFO (arXiv 2507.14295) turned into a bonus; the gates are
    ours.
    """
    if not history or (gate == "solved" and any(grade.correct for grade in history)):
        return [0.0] * len(attempts)
    known = {grade.canonical for grade in history} | {None}
    return [float(a.canonical not in known or (gate == "wrong" and a.correct)) for a in attempts]
