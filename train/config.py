"""The `train` section of a config."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Literal

from sample.config import need, parse
from sample.models import LORA_RANKS
from train.hardware import HardwareConfig, VllmSampling
from train.method_config import MethodConfig

SETTABLE = (
    "steps", "groups", "group_size", "learning_rate", "lora_rank", "lora_alpha", "kl", "entropy",
    "scale_rewards", "loss", "refresh",
)  # fmt: skip
"""The keys of ``train`` that a method may set for itself."""
POLICY = ("kl", "entropy", "scale_rewards", "loss")
"""Those of them that algorithm sft has not."""
TRACKERS = ("tensorboard", "wandb")
DONE = "done.json"
"""The file in the folder of a finished adapter."""
CHECKPOINTS = "checkpoints"
"""The folder in that of an adapter under training."""
SAMPLED = "sampled.jsonl"
"""There, with algorithm sft: a line for each step with its attempts to learn and numbers."""


@dataclass(frozen=True)
class TrainConfig:
    """Adapters to train: one for each method and seed, on the model of that name.

    steps: optimizer steps. groups: histories a step, split evenly over the families.
    group_size: attempts from the same history. batch: most attempts in one backward pass of a
    process; fewer need less memory, down to 1.
    learning_rate: at the first step; it falls linearly to 0 at the last.
    kl: weight of the KL divergence from the untouched model (TRL's beta).
    entropy: weight of the bonus on the mean entropy of the tokens (TRL's entropy_coef).
    scale_rewards: what advantages are divided by: "none", the "group"'s or the "batch"'s deviation.
    loss: "dapo" (mean over the step's tokens) or "dr_grpo" (sum over a fixed length).
    refresh: steps for which histories are sampled at once, and between checkpoints.
    problem_count: different problems of each family, from its train split; problem_seed makes them.
    quantize: "4bit" = QLoRA (arXiv 2305.14314): the model's own weights in 4 bits, on a GPU.
    vllm: what samples during training; None = this package's engine, from the weights in training.
    encoder: folder or Hub id of the model that embeds answers for measure: embedding; None = the
        model in training, its adapter switched off.
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
    entropy: float = 0.0
    scale_rewards: str = "none"
    loss: str = "dapo"
    refresh: int = 5
    problem_count: int = 4000
    problem_seed: int = 0
    quantize: Literal["4bit"] | None = None
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    vllm: VllmSampling | None = None
    encoder: str | None = None
    trackers: tuple[str, ...] = ("tensorboard",)

    def __post_init__(self) -> None:
        need(bool(self.methods), "train.methods", "at least one method", "none")
        for name in self.methods:
            self._check_method(name)
            self._check_start(name)
        need(bool(self.seeds), "train.seeds", "at least one seed", self.seeds)
        need(len(set(self.seeds)) == len(self.seeds), "train.seeds", "no seed twice", self.seeds)
        for key in ("steps", "groups", "refresh", "lora_alpha", "problem_count"):
            need(getattr(self, key) >= 1, f"train.{key}", "1 or more", getattr(self, key))
        size = self.group_size
        need(size >= 2, "train.group_size", "2 or more (advantages compare attempts)", size)
        need(self.batch >= 1, "train.batch", "1 or more", self.batch)
        need(self.learning_rate > 0, "train.learning_rate", "above 0", self.learning_rate)
        for key in ("kl", "entropy"):
            need(getattr(self, key) >= 0, f"train.{key}", "0 (off) or more", getattr(self, key))
        ranks = ", ".join(map(str, LORA_RANKS))
        need(self.lora_rank in LORA_RANKS, "train.lora_rank", f"one of {ranks}", self.lora_rank)
        scales, losses = ("none", "group", "batch"), ("dapo", "dr_grpo")
        scale = self.scale_rewards
        need(scale in scales, "train.scale_rewards", f"one of {', '.join(scales)}", scale)
        need(self.loss in losses, "train.loss", f"one of {', '.join(losses)}", self.loss)
        for name in self.trackers:
            need(name in TRACKERS, "train.trackers", f"some of {', '.join(TRACKERS)}", name)
        used = any(method.embedded for method in self.methods.values())
        off = "none where no reward has measure: embedding"
        need(used or self.encoder is None, "train.encoder", off, self.encoder)
        self.hardware.check(self.groups)
        if self.vllm is not None:
            self.vllm.check()

    def _check_method(self, name: str) -> None:
        method, where = self.methods[name], f"train.methods.{name}"
        sft = method.algorithm == "sft"
        known = [key for key in SETTABLE if not (sft and key in POLICY)]
        for key in method.set:
            need(key in known, f"{where}.set", f"some of {', '.join(known)}", key)
        own = self.of(name)
        if method.set:
            return  # it has checked itself
        method.check(where, own.group_size)
        scaled = own.scale_rewards != "none" and method.baseline == "none"
        both = "group (the default) where scale_rewards divides by a deviation from the mean"
        need(not scaled, f"{where}.baseline", both, method.baseline)
        if method.anchor is not None:
            beside = f"{where}.histories.anchor: train"
            alone = "none or group beside it, as a batch has the rewards of k = 0 too"
            need(own.scale_rewards != "batch", f"{beside}.scale_rewards", alone, own.scale_rewards)
            need(own.entropy == 0, f"{beside}.entropy", "0 beside it", own.entropy)
        for key in POLICY[:2] if sft else ():
            off = f"0 for {name}, as algorithm sft has none; put it in the set of other methods"
            need(getattr(own, key) == 0, f"train.{key}", off, getattr(own, key))

    def _check_start(self, name: str) -> None:
        start = self.methods[name].start
        if start is None:
            return
        at, others = f"train.methods.{name}", [key for key in self.methods if key != name]
        known = f"one of the other methods ({', '.join(others) or 'there is none'})"
        need(start in others, f"{at}.start", known, start)
        algorithm = self.methods[name].algorithm
        need(algorithm == "grpo", f"{at}.algorithm", "grpo where start is given", algorithm)
        seen, last = [name], start
        while last is not None and last not in seen:
            seen.append(last)
            last = self.methods[last].start if last in self.methods else None
        apart = "methods that do not go on from each other in a circle"
        need(last is None, f"{at}.start", apart, " -> ".join([*seen, str(last)]))
        for key in ("lora_rank", "lora_alpha"):
            own, there = getattr(self.of(name), key), getattr(self.of(start), key)
            need(own == there, f"{at}.set.{key}", f"that of {start}, {there}", own)

    def of(self, name: str) -> "TrainConfig":
        """The settings of one method: what it sets for itself put in.

        Raises:
            UsageError: a value that cannot be.
        """
        method = self.methods[name]
        if not method.set:
            return self
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        settings |= {"methods": {name: replace(method, set={}, start=None)}, **method.set}
        settings["encoder"] = self.encoder if method.embedded else None
        return parse(TrainConfig, settings, f"train.methods.{name}.set")

    def rounds(self, adapters: Iterable[str]) -> list[list[str]]:
        """The adapters in the order to train them: none before the one it goes on from, and those
        of a round at once."""

        def place(method: str) -> int:
            start = self.methods[method].start
            return 0 if start is None else 1 + place(start)

        by_place = sorted(adapters, key=lambda name: place(self.adapters[name][0]))
        return [list(some) for _, some in groupby(by_place, lambda n: place(self.adapters[n][0]))]

    @property
    def adapters(self) -> dict[str, tuple[str, int]]:
        """System name of each adapter to train -> its method and seed."""
        return {adapter_name(m, seed): (m, seed) for m in self.methods for seed in self.seeds}


def adapter_name(method: str, seed: int) -> str:
    return f"{method}-s{seed}"


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
