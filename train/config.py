"""The `train` section of a config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sample.config import need
from sample.models import LORA_RANKS
from train.hardware import HardwareConfig, VllmSampling

QUALITIES = ("correct", "coverage", "distinct", "marginal")
GATES = ("solved", "wrong", "none")
TRACKERS = ("tensorboard", "wandb")
DONE = "done.json"
"""The file in the folder of a finished adapter."""


@dataclass(frozen=True)
class RewardConfig:
    """What an attempt on a problem of one family earns: its quality + weight x novelty.

    quality: what a correct answer earns. "correct": 1. "coverage": what it adds to pass@k of its
        group, for families judged by coverage. "distinct": equal answers of a group share one
        credit. "marginal": 1 while the history holds no correct answer.
    novelty: weight of the novelty reward.
    gate: "solved": novelty pays nothing once the history holds a correct answer. "wrong": it pays
        all but a repeated wrong answer, for families judged by a vote. "none": it pays new answers
        alone, so that the model learns to leave right ones.
    """

    quality: str = "correct"
    novelty: float = 0.0
    gate: str = "solved"

    def check(self, where: str) -> None:
        """
        Raises:
            UsageError: an unknown value, or an option that would have no effect.
        """
        known = f"one of {', '.join(QUALITIES)}"
        need(self.quality in QUALITIES, f"{where}.quality", known, self.quality)
        need(self.novelty >= 0, f"{where}.novelty", "0 (off) or more", self.novelty)
        need(self.gate in GATES, f"{where}.gate", f"one of {', '.join(GATES)}", self.gate)
        if self.novelty == 0:
            default = f"{GATES[0]} (the default) where novelty is 0"
            need(self.gate == GATES[0], f"{where}.gate", default, self.gate)


@dataclass(frozen=True)
class MethodConfig:
    """What one ablation of the training conditions on and rewards.

    histories: false = every prompt is the bare question; true = after k own earlier answers, with
        k drawn uniformly from 0..attempts-1.
    rewards: of each family; a family not named is paid for correctness alone.
    """

    histories: bool = True
    rewards: Mapping[str, RewardConfig] = field(default_factory=dict)

    def reward(self, family: str) -> RewardConfig:
        return self.rewards.get(family, RewardConfig())

    def check(self, where: str) -> None:
        """
        Raises:
            UsageError: an unknown value, or an option that would have no effect.
        """
        for family, reward in self.rewards.items():
            at = f"{where}.rewards.{family}"
            reward.check(at)
            if not self.histories:
                off = "0 where histories is false"
                need(reward.novelty == 0, f"{at}.novelty", off, reward.novelty)
                alone = "not marginal where histories is false"
                need(reward.quality != "marginal", f"{at}.quality", alone, reward.quality)


@dataclass(frozen=True)
class TrainConfig:
    """Adapters to train: one for each method and seed, on the model of that name.

    steps: optimizer steps. groups: histories a step, split evenly over the families.
    group_size: attempts from the same history. batch: most attempts in one backward pass of a
    process; fewer need less memory, down to 1.
    learning_rate: at the first step; it falls linearly to 0 at the last.
    kl: weight of the KL divergence from the untouched model (TRL's beta).
    scale_rewards: what advantages are divided by: "none", the "group"'s or the "batch"'s deviation.
    loss: "dapo" (mean over the step's tokens) or "dr_grpo" (sum over a fixed length).
    refresh: steps for which histories are sampled at once, and between checkpoints.
    problem_count: different problems of each family, from its train split; problem_seed makes them.
    quantize: "4bit" = QLoRA (arXiv 2305.14314): the model's own weights in 4 bits, on a GPU.
    vllm: what samples during training; None = this package's engine, from the weights in training.
    trackers: where metrics go beside metrics.jsonl: "tensorboard", "wandb".
    """

    methods: Mapping[str, MethodConfig]
    model: str = "base"
    seeds: tuple[int, ...] = (0,)
    steps: int = 50
    groups: int = 32
    group_size: int = 8
    batch: int = 256
    learning_rate: float = 1e-3
    lora_rank: int = 16
    lora_alpha: int = 32
    kl: float = 0.0
    scale_rewards: str = "none"
    loss: str = "dapo"
    refresh: int = 5
    problem_count: int = 4000
    problem_seed: int = 0
    quantize: Literal["4bit"] | None = None
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    vllm: VllmSampling | None = None
    trackers: tuple[str, ...] = ("tensorboard",)

    def __post_init__(self) -> None:
        need(bool(self.methods), "train.methods", "at least one method", "none")
        for name, method in self.methods.items():
            method.check(f"train.methods.{name}")
        need(bool(self.seeds), "train.seeds", "at least one seed", self.seeds)
        need(len(set(self.seeds)) == len(self.seeds), "train.seeds", "no seed twice", self.seeds)
        for key in ("steps", "groups", "refresh", "lora_alpha", "problem_count"):
            need(getattr(self, key) >= 1, f"train.{key}", "1 or more", getattr(self, key))
        size = self.group_size
        need(size >= 2, "train.group_size", "2 or more (advantages compare attempts)", size)
        need(self.batch >= 1, "train.batch", "1 or more", self.batch)
        need(self.learning_rate > 0, "train.learning_rate", "above 0", self.learning_rate)
        need(self.kl >= 0, "train.kl", "0 (off) or more", self.kl)
        ranks = ", ".join(map(str, LORA_RANKS))
        need(self.lora_rank in LORA_RANKS, "train.lora_rank", f"one of {ranks}", self.lora_rank)
        scales, losses = ("none", "group", "batch"), ("dapo", "dr_grpo")
        scale = self.scale_rewards
        need(scale in scales, "train.scale_rewards", f"one of {', '.join(scales)}", scale)
        need(self.loss in losses, "train.loss", f"one of {', '.join(losses)}", self.loss)
        for name in self.trackers:
            need(name in TRACKERS, "train.trackers", f"some of {', '.join(TRACKERS)}", name)
        self.hardware.check(self.groups)
        if self.vllm is not None:
            self.vllm.check()

    @property
    def adapters(self) -> dict[str, tuple[str, int]]:
        """System name of each adapter to train -> its method and seed."""
        return {f"{m}-s{seed}": (m, seed) for m in self.methods for seed in self.seeds}


def rows_per_pass(config: TrainConfig, processes: int) -> int:
    """Attempts in one backward pass of a process: an even part of its share of a step, at most
    ``config.batch``. A pass may split a group, as rewards are given before; a process may not.

    Raises:
        UsageError: the groups of a step cannot be dealt out evenly to the processes.
    """
    need(
        config.groups % processes == 0,
        "train.groups",
        f"a multiple of the {processes} processes, so that no group is split",
        config.groups,
    )
    rows = config.groups // processes * config.group_size
    return max(n for n in range(1, rows + 1) if rows % n == 0 and n <= config.batch)
