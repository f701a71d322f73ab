"""Novelty against the history."""

from collections.abc import Sequence

from sample.grading import Grade


def novelty(
    history: Sequence[Grade], attempts: Sequence[Grade], new: Sequence[float], gate: str
) -> list[float]:
    """How new a well-formed answer is against the history, else 0.

    new: of each attempt, in [0, 1] (``train.rewards.newness``).
    gate: "solved" pays nothing once the history holds a correct answer; "wrong" pays a correct
    answer 1 in any case and a wrong one what it has of new, so that only repeating a wrong one goes
    unpaid. With "none" the model learns to leave right answers.
    Range [0, 1]. Degenerate: with an empty history every answer is new, so nothing is paid.
    Source: the repetition penalty of UFO (arXiv 2507.14295) turned into a bonus; the gates are
    ours.
    """
    if not history or (gate == "solved" and any(grade.correct for grade in history)):
        return [0.0] * len(attempts)
    return [_paid(a, one, gate) for a, one in zip(attempts, new, strict=True)]


def _paid(attempt: Grade, new: float, gate: str) -> float:
    if attempt.canonical is None:
        return 0.0
    return 1.0 if gate == "wrong" and attempt.correct else new
