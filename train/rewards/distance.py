"""Correctness times the distance to the rest of the group."""

from collections import Counter
from collections.abc import Sequence

from sample.grading import Grade


def distance(attempts: Sequence[Grade]) -> list[float]:
    """(G-m)/(G-1) for a correct answer that m attempts of the group of G gave, else 0.

    It is the mean distance to the other attempts, 0 to an equal answer and 1 to another one, wrong
    ones too. Range [0, 1]. Degenerate: where only one answer is right it is ``coverage`` of k = 2;
    a group of one correct answer alone teaches nothing.
    Source: quality times normalised diversity of DARLING, arXiv 2509.02534, as ``partition`` of
    partition_reward_vllm_serve.py in facebookresearch/darling (c07a323) normalises it. Classes of
    equal answers stand for its learned classifier of paraphrases; its floor of 0.1, which tells no
    attempts of up to 11 apart, is left out.
    """
    size, count = len(attempts), Counter(attempt.canonical for attempt in attempts)
    return [a.correct * (size - count[a.canonical]) / (size - 1) for a in attempts]
