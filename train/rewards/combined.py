"""The reward of a family: the parts put together."""

from collections.abc import Callable, Mapping, Sequence

from sample.grading import Grade
from train.config import RewardConfig
from train.rewards.correctness import correctness
from train.rewards.coverage import coverage
from train.rewards.distinct import distinct
from train.rewards.marginal import marginal
from train.rewards.novelty import novelty

Grades = Sequence[Grade]

QUALITY: Mapping[str, Callable[[Grades, Grades], list[float]]] = {
    "correct": lambda _, attempts: correctness(attempts),
    "coverage": lambda _, attempts: coverage(attempts),
    "distinct": lambda _, attempts: distinct(attempts),
    "marginal": marginal,
}


def group_rewards(reward: RewardConfig, history: Grades, attempts: Grades) -> list[float]:
    """Rewards of the attempts made from one history: quality + weight x novelty.

    In [0, 1 + weight]; novelty has no meaning where the history is empty, and pays nothing there.
    """
    right = QUALITY[reward.quality](history, attempts)
    new = novelty(history, attempts, reward.gate)
    return [r + reward.novelty * n for r, n in zip(right, new, strict=True)]
