"""The reward of a method: the parts put together."""

from collections.abc import Callable, Mapping, Sequence

from sample.grading import Grade
from train.config import MethodConfig
from train.rewards.correctness import correctness
from train.rewards.coverage import coverage
from train.rewards.distinct import distinct
from train.rewards.marginal import marginal
from train.rewards.novelty import novelty

FIRST_REWARDS: Mapping[str, Callable[[Sequence[Grade]], list[float]]] = {
    "correct": correctness,
    "distinct": distinct,
    "coverage": lambda attempts: coverage(list(attempts)).tolist(),
}


def group_rewards(
    method: MethodConfig, history: Sequence[Grade], attempts: Sequence[Grade]
) -> list[float]:
    """Rewards of the attempts made from one history.

    With an empty history: the method's ``first`` reward. Else correctness, all of it or the
    marginal part, + weight x novelty, in [0, 1 + weight].
    """
    if not history:
        return FIRST_REWARDS[method.first](attempts)
    new = novelty(history, attempts, method.gated)
    right = marginal(history, attempts) if method.marginal else correctness(attempts)
    return [r + method.novelty * n for r, n in zip(right, new, strict=True)]
