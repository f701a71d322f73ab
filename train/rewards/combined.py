"""The reward of a method: the parts put together."""

from collections.abc import Callable, Mapping, Sequence

from sample.grading import Grade
from train.config import MethodConfig
from train.rewards.correctness import correctness
from train.rewards.coverage import coverage
from train.rewards.distinct import distinct
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

    With an empty history: the method's ``first`` reward. Else correctness + weight x novelty, in
    [0, 1 + weight]; without novelty, correctness alone.
    """
    if not history:
        return FIRST_REWARDS[method.first](attempts)
    new = novelty(history, attempts, method.gated)
    pairs = zip(correctness(attempts), new, strict=True)
    return [correct + method.novelty * paid for correct, paid in pairs]
