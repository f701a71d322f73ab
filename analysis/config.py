"""The ``analyze`` section of a config, and what the analysis must know of a run and its systems."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.stopping_rule import StoppingRule
from sample.errors import UsageError, need

AGGREGATORS = ("coverage", "majority", "accuracy", "last")
AUC = {f"auc_{name}": name for name in AGGREGATORS}
"""Primaries at equal compute: the gap under that aggregator, averaged over log2 of the generated
tokens (``analysis.matching``)."""
PARALLEL, SEQUENTIAL = "parallel", "sequential"
"""The arms between which the gap lies."""
ESTIMANDS = ("superpopulation", "fixed")
DEFAULT_AGGREGATOR = "majority"
_SEEDED = re.compile(r"(?P<method>.+)-s(?P<seed>\d+)")


@dataclass(frozen=True)
class Design:
    """Which arm stands in which cell of the design that explains the gap, beside the pair itself.

    context: as long a prompt as sequential's, but none of its answers (H2).
    exposure: the chain's own earlier answers at next to no length, e.g. sequential with
        ``history: tally`` (H3 without H2).
    swapped: a history like sequential's, but of the answers of another arm; shown: that arm.
    """

    context: str = "irrelevant_context"
    exposure: str = "tally"
    swapped: str = "swapped_history"
    shown: str = "parallel"


@dataclass(frozen=True)
class Stopping:
    """When ``--until-decided`` may stop: the fields of ``StoppingRule``."""

    method: str = "obrien-fleming"
    looks: int = 10


@dataclass(frozen=True)
class AnalysisConfig:
    """What the verdict depends on; to be fixed before sampling.

    margin: largest gap that counts as closed, and largest loss of the parallel arm that is not
        damage; a share, so 0.03 = 3 points.
    alpha: error rate; intervals are two-sided at 1 - alpha, one-sided bounds at 1 - alpha.
    primary: family -> aggregator of its verdict, or one of AUC; a family not named here uses
        "majority".
    resamples: sign flips and bootstrap draws; seed: of those draws.
    base: the model the study is about: its controls are reported, the other models are negative
        controls. An adapter is compared with the model it sits on.
    estimand: "superpopulation" = problems like these (t over problems); "fixed" = these very
        problems (replicate noise only; needs at least 2 replicates).
    design: the arms that tell aggregator, context and exposure apart.
    stopping: the rule of ``forage sample --until-decided``; None = every problem is sampled.
    """

    margin: float = 0.03
    alpha: float = 0.05
    primary: Mapping[str, str] = field(default_factory=dict)
    resamples: int = 10_000
    seed: int = 0
    base: str = "base"
    estimand: str = "superpopulation"
    design: Design = Design()
    stopping: Stopping | None = None

    def __post_init__(self) -> None:
        need(
            0 < self.margin < 1, "analyze.margin", "a share between 0 and 1, e.g. 0.03", self.margin
        )
        need(0 < self.alpha < 0.5, "analyze.alpha", "a number between 0 and 0.5", self.alpha)
        need(self.resamples >= 100, "analyze.resamples", "a number of at least 100", self.resamples)
        need(self.seed >= 0, "analyze.seed", "a whole number of at least 0", self.seed)
        known = self.estimand in ESTIMANDS
        need(known, "analyze.estimand", f"one of {', '.join(ESTIMANDS)}", self.estimand)
        for family, aggregator in self.primary.items():
            allowed = (*AGGREGATORS, *AUC)
            expected = f"one of {', '.join(allowed)}"
            need(aggregator in allowed, f"analyze.primary.{family}", expected, aggregator)
        if self.stopping is not None:
            like = self.estimand == "superpopulation"
            need(like, "analyze.estimand", "superpopulation with analyze.stopping", self.estimand)
            self.rule(2 * self.stopping.looks)

    def aggregator(self, family: str) -> str:
        """The aggregator of the family's verdict, or one of AUC."""
        return self.primary.get(family, DEFAULT_AGGREGATOR)

    def level(self, family: str) -> str:
        """The aggregator of the family's verdict, at each number of attempts if it is of AUC."""
        return AUC.get(self.aggregator(family), self.aggregator(family))

    def need_stopping(self) -> Stopping:
        """The section ``stopping``.

        Raises:
            UsageError: it is not there.
        """
        if self.stopping is None:
            raise UsageError(
                "config: --until-decided needs a rule that is fixed before sampling; add to it "
                "analyze: {stopping: {method: obrien-fleming, looks: 10}}"
            )
        return self.stopping

    def rule(self, problems: int) -> StoppingRule:
        """The stopping rule of a family of so many problems.

        Raises:
            UsageError: none is set, or one that does not fit.
        """
        given = self.need_stopping()
        return StoppingRule(problems, self.margin, self.alpha, given.method, given.looks)


@dataclass(frozen=True)
class SystemInfo:
    """One system of the records.

    base: the model an adapter sits on; None = the system is itself a model.
    method: the training method shared by adapters that differ only in seed; seed: which one.
    """

    name: str
    base: str | None = None
    method: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class RunInfo:
    """What is known of a run beside its records and its analyze section.

    steps: the chain length N; None = the largest step in the records.
    decoding: shown in the report. budget: of tokens for each chain, None = without one.
    registered: the settings were fixed before sampling; if not, CLOSED is never said.
    hashes: those that records of this config carry; with any other, the config was changed after
        sampling began, so the settings were not fixed. None = not known.
    asked: family -> attempts that the run shall have, as far as known; with fewer it is interim.
    embedded: the model is the toolkit's own small one. warnings: further ones to carry.
    created: ISO time of the summary; None = now.
    """

    name: str = ""
    steps: int | None = None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    budget: int | None = None
    registered: bool = True
    hashes: Collection[str] | None = None
    asked: Mapping[str, int] = field(default_factory=dict)
    embedded: bool = False
    warnings: Sequence[str] = ()
    created: str | None = None


def adapter_info(name: str, base: str) -> SystemInfo:
    """An adapter on ``base``; method and seed are read from a name like ``diverse-s0``."""
    match = _SEEDED.fullmatch(name)
    if match is None:
        return SystemInfo(name, base, name, None)
    return SystemInfo(name, base, match["method"], int(match["seed"]))


def guess_info(name: str, base: str) -> SystemInfo:
    """For records without their config: ``<method>-s<seed>`` is an adapter, the rest models."""
    is_adapter = name != base and _SEEDED.fullmatch(name) is not None
    return adapter_info(name, base) if is_adapter else SystemInfo(name)
