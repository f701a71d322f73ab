"""The reward of a family: the parts put together."""

from collections.abc import Mapping

from train.groups import Group
from train.method_config import RewardConfig
from train.rewards.correctness import correctness
from train.rewards.coverage import coverage
from train.rewards.crowding import crowding
from train.rewards.distance import distance
from train.rewards.distinct import distinct
from train.rewards.length import length
from train.rewards.marginal import marginal
from train.rewards.newness import newness
from train.rewards.novelty import novelty
from train.rewards.repetition import repetition
from train.rewards.unlikely import unlikely

Parts = Mapping[str, list[float]]
"""Name of a part -> what each attempt of the group is paid for it, weight included."""


def reward_parts(reward: RewardConfig, group: Group) -> Parts:
    """The parts that the config pays, quality always among them; a reward is their sum.

    Quality is in [0, 1] and novelty in [0, its weight]; the others are penalties, but for length,
    which also pays. Novelty and repetition have no meaning where the history is empty, and are 0.
    """
    parts = {"quality": _quality(reward, group)}
    if reward.novelty:
        new = newness(group, reward.measure)
        paid = novelty(group.history, group.attempts, new, reward.gate)
        parts["novelty"] = _times(reward.novelty, paid)
    if reward.crowding:
        parts["crowding"] = _times(reward.crowding, crowding(group.attempts))
    if reward.repetition:
        parts["repetition"] = _times(reward.repetition, repetition(group.history, group.attempts))
    if reward.length:
        parts["length"] = _times(reward.length, length(group.attempts, group.lengths))
    return parts


def _quality(reward: RewardConfig, group: Group) -> list[float]:
    attempts = group.attempts
    match reward.quality:
        case "coverage":
            paid = coverage(attempts, reward.k or max(1, len(attempts) // 2))
        case "distance":
            paid = distance(attempts)
        case "distinct":
            paid = distinct(attempts)
        case "marginal":
            paid = marginal(group.history, attempts)
        case _:
            paid = correctness(attempts)
    if not reward.unlikely:
        return paid
    assert group.logps is not None
    factors = unlikely(group.logps, reward.unlikely)
    return [p * factor for p, factor in zip(paid, factors, strict=True)]


def _times(weight: float, paid: list[float]) -> list[float]:
    return [weight * one for one in paid]
