"""The `train` section of a config."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import groupby
from typing import Any, Literal

from sample.config import need, parse, plain
from sample.models import LORA_RANKS
from train.hardware import HardwareConfig, VllmSampling

QUALITIES = ("correct", "coverage", "distance", "distinct", "marginal")
GATES = ("solved", "wrong", "none")
MEASURES = ("class", "exact", "embedding")
ALGORITHMS = ("grpo", "sft")
LEARNED = ("correct", "new")
BASELINES = ("group", "none")
SETTABLE = (
    "steps", "groups", "group_size", "learning_rate", "lora_rank", "lora_alpha", "kl", "entropy",
    "scale_rewards", "loss", "refresh",
)  # fmt: skip
"""The keys of ``train`` that a method may set for itself."""
POLICY = ("kl", "entropy", "scale_rewards", "loss")
"""Those of them that algorithm sft has not."""
LATER = {"learn": LEARNED[0], "start": None}
"""Keys of a method that came later: left out of a run's config where they have these defaults, so
that a run begun before goes on."""
TRACKERS = ("tensorboard", "wandb")
DONE = "done.json"
"""The file in the folder of a finished adapter."""
CHECKPOINTS = "checkpoints"
"""The folder in that of an adapter under training."""
SAMPLED = "sampled.jsonl"
"""There, with algorithm sft: a line for each step with its correct attempts and numbers."""


@dataclass(frozen=True)
class RewardConfig:
    """What an attempt on a problem of one family earns: its quality, and the weighted other parts.

    Answers are equal where the grader's canonical forms are.
    quality: what a correct answer earns. "correct": 1. "coverage": what it adds to pass@k of its
        group, for families judged by coverage. "distance": the share of the others that gave
        another answer. "distinct": equal answers of a group share one credit. "marginal": 1 while
        the history holds no correct answer.
    novelty: weight of the novelty reward.
    gate: "solved": novelty pays nothing once the history holds a correct answer. "wrong": it pays
        all but a repeated wrong answer, for families judged by a vote. "none": it pays new answers
        alone, so that the model learns to leave right ones.
    measure: what makes an answer new to novelty. "class": its canonical form. "exact": its text.
        "embedding": 1 - the largest cosine similarity of its text to one of the history, graded.
    k: of pass@k, for quality coverage; default half of the group.
    unlikely: share of its quality that the likeliest attempt of a group loses, less the others.
    crowding, repetition: weights of the penalties on answers that the group, or the chain, holds.
    length: weight of the length reward, which pays short correct attempts and fines long ones.
    """

    quality: str = "correct"
    novelty: float = 0.0
    gate: str = "solved"
    k: int | None = None
    unlikely: float = 0.0
    crowding: float = 0.0
    repetition: float = 0.0
    length: float = 0.0
    measure: str = MEASURES[0]

    def check(self, where: str, size: int) -> None:
        """
        size: attempts of a group.

        Raises:
            UsageError: an unknown value, or an option that would have no effect.
        """
        known = f"one of {', '.join(QUALITIES)}"
        need(self.quality in QUALITIES, f"{where}.quality", known, self.quality)
        if self.k is not None:
            pays = "coverage where k is given"
            need(self.quality == "coverage", f"{where}.quality", pays, self.quality)
            group = f"1 to group_size ({size})"
            need(1 <= self.k <= size, f"{where}.k", group, self.k)
        need(0 <= self.unlikely <= 1, f"{where}.unlikely", "0 (off) to 1", self.unlikely)
        for key in ("novelty", "crowding", "repetition", "length"):
            weight = getattr(self, key)
            need(weight >= 0, f"{where}.{key}", "0 (off) or more", weight)
        for key, values in (("gate", GATES), ("measure", MEASURES)):
            given, known = getattr(self, key), f"one of {', '.join(values)}"
            need(given in values, f"{where}.{key}", known, given)
            default = f"{values[0]} (the default) where novelty is 0"
            need(self.novelty > 0 or given == values[0], f"{where}.{key}", default, given)


@dataclass(frozen=True)
class HistoryConfig:
    """Which earlier answers the attempts of a method see.

    depths: weights of k = 0, 1, .. earlier answers; default: 0..attempts-1 alike.
    base: share of histories made by the untouched model, not by the adapter under training.
    solved: share of histories that hold a correct answer; for these a chain is walked up to 4
        times. Of the others every answer is drawn up to 4 times until it is wrong, and they end
        before one that is not. What was reached is logged. Default: as the chains come.
    replay: a run folder whose chains on train problems are the histories, in place of new ones.
    anchor: groups with an empty history earn nothing and have a KL divergence from the untouched
        model of this weight, so that first attempts stay as they are; the other groups have
        train.kl. Default: all alike.
    """

    depths: tuple[float, ...] = ()
    base: float = 0.0
    solved: float | None = None
    replay: str | None = None
    anchor: float | None = None

    def check(self, where: str) -> None:
        """
        Raises:
            UsageError: a value out of range, or an option that would have no effect.
        """
        weights = not self.depths or (min(self.depths) >= 0 and sum(self.depths[1:]) > 0)
        some = "weights of 0 or more, one of k >= 1 above 0"
        need(weights, f"{where}.depths", some, self.depths)
        need(0 <= self.base <= 1, f"{where}.base", "a share, 0 to 1", self.base)
        solved = self.solved is None or 0 <= self.solved <= 1
        need(solved, f"{where}.solved", "a share, 0 to 1", self.solved)
        if self.anchor is not None:
            need(self.anchor > 0, f"{where}.anchor", "above 0; leave it out for none", self.anchor)
            some = "a weight of k = 0 above 0 beside an anchor"
            need(not self.depths or self.depths[0] > 0, f"{where}.depths", some, self.depths)
        if self.replay is not None:
            need(self.base == 0, f"{where}.base", "0 where histories are replayed", self.base)


@dataclass(frozen=True)
class MethodConfig:
    """What one ablation of the training conditions on, learns by and rewards.

    histories: false = every prompt is the bare question; true = after k own earlier answers, with
        k drawn uniformly from 0..attempts-1; or the keys of a ``HistoryConfig``.
    rewards: of each family; a family not named is paid for correctness alone.
    algorithm: "grpo", or "sft": rejection sampling, fine-tuning on the untouched model's own
        attempts, as many attempts and steps as GRPO has; with histories.replay on those that the
        run holds already, and nothing is drawn.
    learn: what algorithm sft learns. "correct": the correct attempts (arXiv 2308.01825). "new": the
        different answers to the bare question, each after those drawn before it, correct or not, so
        that the chain draws as parallel attempts do, without replacement.
    start: another method whose adapter of the same seed this one goes on from; default: a new one.
        What is held to the untouched model (kl, anchor) is held to the one without any adapter.
    set: keys of ``train`` that this method has for itself, e.g. kl: 0.1.
    families: the problem sets it is trained on, to see what the others gain; default: all.
    baseline: what is subtracted from the rewards of a group: "group", their mean, or "none", for
        rewards with a baseline of their own: quality coverage.
    """

    histories: bool | HistoryConfig = True
    rewards: Mapping[str, RewardConfig] = field(default_factory=dict)
    algorithm: str = "grpo"
    learn: str = LEARNED[0]
    start: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    families: tuple[str, ...] | None = None
    baseline: str = BASELINES[0]

    def reward(self, family: str) -> RewardConfig:
        return self.rewards.get(family, RewardConfig())

    @property
    def embedded(self) -> tuple[str, ...]:
        """The families whose novelty is measured by embeddings."""
        return tuple(name for name, r in self.rewards.items() if r.measure == "embedding")

    @property
    def history(self) -> HistoryConfig | None:
        """What histories are like; None without any."""
        if isinstance(self.histories, HistoryConfig):
            return self.histories
        return HistoryConfig() if self.histories else None

    @property
    def drawn(self) -> HistoryConfig | None:
        """What the histories are like that attempts are drawn after; None = the bare question."""
        return None if self.learn == "new" else self.history

    @property
    def anchor(self) -> float | None:
        """Weight of the KL in groups with an empty history, where that is all they have."""
        return self.history.anchor if self.history else None

    @property
    def recorded(self) -> str | None:
        """The run whose correct attempts are learned, in place of new ones."""
        return self.history.replay if self.algorithm == "sft" and self.history else None

    def check(self, where: str, size: int) -> None:
        """
        size: attempts of a group.

        Raises:
            UsageError: an unknown value, or an option that would have no effect.
        """
        some = "one problem set or more; leave the key out for all"
        need(self.families != (), f"{where}.families", some, "none")
        known = f"one of {', '.join(ALGORITHMS)}"
        need(self.algorithm in ALGORITHMS, f"{where}.algorithm", known, self.algorithm)
        known = f"one of {', '.join(BASELINES)}"
        need(self.baseline in BASELINES, f"{where}.baseline", known, self.baseline)
        known = f"one of {', '.join(LEARNED)}"
        need(self.learn in LEARNED, f"{where}.learn", known, self.learn)
        if self.history is not None:
            self.history.check(f"{where}.histories")
        if self.learn == "new":
            sft = self.algorithm == "sft"
            need(sft, f"{where}.algorithm", "sft with learn: new", self.algorithm)
            alone = self.history and replace(self.history, replay=None) == HistoryConfig()
            some = "true or replay alone with learn: new, which makes them of a pool of attempts"
            chosen = isinstance(self.histories, HistoryConfig)
            given = plain(self.histories) if chosen else self.histories
            need(bool(alone), f"{where}.histories", some, given)
        if self.algorithm == "sft":
            given = ", ".join(self.rewards)
            need(not given, f"{where}.rewards", "none with algorithm sft", given)
            off = "group (the default) with algorithm sft"
            need(self.baseline == BASELINES[0], f"{where}.baseline", off, self.baseline)
            off = "none with algorithm sft"
            need(self.anchor is None, f"{where}.histories.anchor", off, self.anchor)
        if self.recorded is not None:
            alone = "nothing beside replay with algorithm sft, which learns what the run holds"
            more = replace(self.history or HistoryConfig(), replay=None)
            need(more == HistoryConfig(), f"{where}.histories", alone, more)
        for family, reward in self.rewards.items():
            at = f"{where}.rewards.{family}"
            reward.check(at, size)
            if self.history is None:
                off = "0 where histories is false"
                need(reward.novelty == 0, f"{at}.novelty", off, reward.novelty)
                need(reward.repetition == 0, f"{at}.repetition", off, reward.repetition)
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
