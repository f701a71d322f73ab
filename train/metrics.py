"""What is written down of a training run: one line of ``metrics.jsonl`` for each optimizer step."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from sample.grading import Grade
from train.groups import Group
from train.histories import Tokens
from train.method_config import MethodConfig
from train.rewards.combined import Parts, reward_parts
from train.rewards.newness import newness
from train.rewards.novelty import novelty
from train.rewards.unlikely import unlikely

PARTS = ("quality", "novelty", "crowding", "repetition", "length")
NAMES = {
    "reward": "reward",
    "accuracy": "accuracy",
    "novelty": "novelty",
    "repeat": "repeat",
    "valid": "valid",
    "distinct": "distinct",
    "solved": "solved",
    "depth": "depth",
    "unlikely": "unlikely",
    **{f"paid_{part}": f"paid_{part}" for part in PARTS},
    "same_reward": "frac_reward_zero_std",
    "entropy": "entropy",
    "kl": "kl",
    "loss": "loss",
    "grad_norm": "grad_norm",
    "lr": "learning_rate",
    "prompt_tokens": "prompt_tokens",
    "generated_tokens": "generated_tokens",
}
"""Our name of each number: the trainer's. What a step does not have is null."""


def step_metrics(groups: Sequence[Group], method: MethodConfig) -> dict[str, float]:
    """Means over the attempts of a step.

    accuracy, valid (well-formed): of all attempts. distinct: different well-formed answers of a
    group, over its size. repeat: well-formed answers that the history holds; novelty: what
    the novelty reward pays an attempt, whatever its weight; solved: histories with a correct
    answer; all three of attempts with a history, and absent where there is none. depth: earlier
    answers reached, which a full context or a replay may cut short; absent for methods without
    histories. unlikely: share of its quality that unlikeliness leaves a correct attempt.
    """
    attempts = [attempt for group in groups for attempt in group.attempts]
    later = [group for group in groups if group.history]
    factors = [factor for group in groups for factor in _unlikely(group, method)]
    numbers = {
        "accuracy": _mean([attempt.correct for attempt in attempts]),
        "valid": _mean([attempt.canonical is not None for attempt in attempts]),
        "distinct": _mean([_distinct(group.attempts) for group in groups]),
    }
    if later:
        numbers["novelty"] = _mean([paid for group in later for paid in _new(group, method)])
        numbers["repeat"] = _mean([repeated for group in later for repeated in _repeats(group)])
        numbers["solved"] = _mean([any(one.correct for one in group.history) for group in later])
    if method.drawn is not None:
        numbers["depth"] = _mean([len(group.history) for group in groups])
    if factors:
        numbers["unlikely"] = _mean(factors)
    return numbers


def _unlikely(group: Group, method: MethodConfig) -> list[float]:
    """What the quality of each correct attempt is multiplied by."""
    weight = method.reward(group.family).unlikely
    if not weight or group.logps is None:
        return []
    factors = unlikely(group.logps, weight)
    return [f for f, attempt in zip(factors, group.attempts, strict=True) if attempt.correct]


def _new(group: Group, method: MethodConfig) -> list[float]:
    reward = method.reward(group.family)
    return novelty(group.history, group.attempts, newness(group, reward.measure), reward.gate)


def _distinct(attempts: Sequence[Grade]) -> float:
    return len({attempt.canonical for attempt in attempts} - {None}) / len(attempts)


def _repeats(group: Group) -> list[bool]:
    known = {grade.canonical for grade in group.history} - {None}
    return [attempt.canonical in known for attempt in group.attempts]


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def reward_function(
    method: MethodConfig, size: int, processes: int
) -> Callable[..., list[float | None]]:
    """TRL's reward callable: the method's combined reward, its parts logged. size: of a group."""

    def reward(
        groups: Sequence[Group], tokens: Sequence[Tokens], log_metric: Any, **_: Any
    ) -> list[float | None]:
        each = groups[::size]
        for name, value in step_metrics(each, method).items():
            log_metric(name, value)
        # The trainer averages over processes; tokens are to be summed.
        log_metric("prompt_tokens", tokens[0].prompt * processes)
        log_metric("generated_tokens", tokens[0].generated * processes)
        paid = [_paid(method, group) for group in each]
        for part in parts_of(method):
            amounts = [amount for parts in paid for amount in parts.get(part, ())]
            log_metric(f"paid_{part}", sum(amounts) / (size * len(each)))
        return [sum(amounts) for parts in paid for amounts in zip(*parts.values(), strict=True)]

    return reward


def _paid(method: MethodConfig, group: Group) -> Parts:
    """Anchored groups earn nothing."""
    if method.anchor is not None and not group.history:
        return {"quality": [0.0] * len(group.attempts)}
    return reward_parts(method.reward(group.family), group)


def parts_of(method: MethodConfig) -> list[str]:
    """The parts of the reward that a method pays in some family; "quality" in any case."""
    rewards = method.rewards.values()
    return [p for p in PARTS if p == "quality" or any(getattr(r, p) for r in rewards)]


class MetricsLog(TrainerCallback):
    """Appends to ``metrics.jsonl``; a resumed run drops the lines after its checkpoint first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._last = time.perf_counter()
        if state.is_world_process_zero:
            keep_steps(self._path, state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "reward" not in logs or not state.is_world_process_zero:
            return
        now = time.perf_counter()
        line = {"step": state.global_step, "seconds": round(now - self._last, 3)}
        line |= {ours: logs.get(theirs) for ours, theirs in NAMES.items()}
        self._last = now
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


def keep_steps(path: Path, last: int) -> None:
    """Drop the lines of steps after ``last``, and a torn last line."""
    if not path.exists():
        return
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    kept = [line for line in lines if json.loads(line)["step"] <= last]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept))
    temporary.replace(path)
