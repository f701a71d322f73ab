"""One method of the `train` section: its histories, rewards, and what it learns by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sample.config import need, plain

QUALITIES = ("correct", "coverage", "distance", "distinct", "marginal")
GATES = ("solved", "wrong", "none")
MEASURES = ("class", "exact", "embedding")
ALGORITHMS = ("grpo", "sft")
LEARNED = ("correct", "new")
BASELINES = ("group", "none")
LATER = {"learn": LEARNED[0], "draws": 1, "start": None}
"""Keys of a method that came later: left out of a run's config where they have these defaults, so
that a run begun before goes on."""


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
    draws: with learn: new, how many of the attempts that are left of the pool are learned after the
        same history.
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
    draws: int = 1
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
        alone = "1 (the default) without learn: new"
        need(self.draws == 1 or self.learn == "new", f"{where}.draws", alone, self.draws)
        most = math.inf if self.recorded else size  # a run has pools of its own
        some = "1 or more" if self.recorded else f"1 to group_size ({size})"
        need(1 <= self.draws <= most, f"{where}.draws", some, self.draws)
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
