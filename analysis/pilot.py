"""What a pilot run says about the variances that a plan needs."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.config import AnalysisConfig, guess_info
from analysis.power import Variances, upper_variance
from analysis.statistic import Statistic
from analysis.study import Study, build_study
from analysis.table import build_table
from sample.errors import UsageError
from sample.records import Attempt

_FEWEST = 10
CONTRASTS = ("gap", "did", "parallel_change")


@dataclass(frozen=True)
class Measured:
    """A contrast of the pilot. problems: how many it rests on (0 = stated or assumed).

    single: one replicate, so that noise and true differences cannot be told apart.
    replicates: of the pilot; total: variance over its problems, which may be below the noise.
    """

    estimate: float
    variances: Variances
    problems: int = 0
    single: bool = False
    replicates: int = 1
    total: float = 0.0

    @property
    def truncated(self) -> bool:
        """The noise explains more than all of the variance, so ``between`` was set to 0."""
        return self.problems > 0 and self.total < self.variances.within / self.replicates

    def scaled(self, factor: float) -> "Measured":
        """Of a contrast that the pilot lacks, with so many times the variance."""
        total, variances = factor * self.total, self.variances.scaled(factor)
        return replace(self, estimate=math.nan, variances=variances, total=total)

    def at(self, replicates: int, careful: bool = False) -> float:
        """Standard deviation over problems at R replicates; careful: its upper 80 % bound.

        At R replicates the variance is the pilot's total, plus what the noise then is more: the
        further R lies above the pilot's, the more it rests on telling noise from differences.
        """
        point = self.variances.at(replicates)
        if not careful or self.problems == 0:
            return point
        noise = self.variances.within * (1 / replicates - 1 / self.replicates)
        freedom = self.problems * (self.replicates - 1)
        terms = [(self.total, self.problems - 1), (noise, freedom)]
        return math.sqrt(upper_variance(point**2, terms))


@dataclass(frozen=True)
class Pilot:
    """One family. contrasts: some of CONTRASTS; attempts: N of a chain; warnings: sentences."""

    family: str
    attempts: int
    contrasts: Mapping[str, Measured]
    warnings: tuple[str, ...] = ()


def measure(contrast: Statistic) -> Measured:
    """between = variance over problems - mean noise, at least 0; within = noise of one replicate.

    With one replicate all variance counts as between.
    """
    d, known = contrast.sample, contrast.known
    total = float(d.var(ddof=1))
    noise = contrast.within[known]
    noise = noise[~np.isnan(noise)]
    if contrast.replicates < 2 or len(noise) == 0:
        return Measured(contrast.estimate, Variances(total, 0.0), len(d), True, total=total)
    mean = max(float(noise.mean()), 0.0)
    split = Variances(max(total - mean, 0.0), contrast.replicates * mean)
    return Measured(contrast.estimate, split, len(d), replicates=contrast.replicates, total=total)


def read_pilot(attempts: Iterable[Attempt], config: AnalysisConfig) -> list[Pilot]:
    """One pilot per family that has both arms of the base on enough problems.

    Raises:
        UsageError: no such family.
    """
    table = build_table(attempts)
    infos = {system: guess_info(system, config.base) for _, system, _ in table.cells}
    found, missing = [], []
    for family in sorted(table.problems):
        primary = config.aggregator(family)
        study = build_study(table, family, infos, config.base, primary)
        gap = study.contrasts.get(("gap", config.base, primary))
        if gap is None or gap.known.sum() < _FEWEST:
            size = 0 if gap is None else int(gap.known.sum())
            missing.append(f"{family}: {size} problems with both arms of {config.base}")
            continue
        found.append(_pilot(study, family, table.steps, config.base, primary))
    if not found:
        raise UsageError(
            f"plan: a pilot needs parallel and sequential of {config.base!r} on at least {_FEWEST} "
            f"problems (given: {'; '.join(missing)}); sample more, or state --between and --within"
        )
    return found


def _pilot(study: Study, family: str, steps: int, base: str, primary: str) -> Pilot:
    statistics = {"gap": study.contrasts["gap", base, primary]}
    adapters = [key[1] for key in study.contrasts if key[0] == "did" and key[2] == primary]
    if adapters:
        for name in CONTRASTS[1:]:
            statistics[name] = study.contrasts[name, adapters[0], primary]
    contrasts = {n: measure(s) for n, s in statistics.items() if s.known.sum() >= _FEWEST}
    warnings = []
    if len(adapters) > 1:
        warnings.append(f"change over training planned from {adapters[0]}, the first adapter")
    if contrasts["gap"].single:
        warnings.append(
            "the pilot has one replicate: noise and true differences cannot be told apart, so "
            "this plan is for one replicate; pilot with 2 or more to plan for more"
        )
    return Pilot(family, steps, contrasts, tuple(warnings))


def stated(between: float, within: float, attempts: int) -> Pilot:
    """A pilot from numbers that the user gives, for the gap.

    Raises:
        UsageError: a variance below 0, or both 0.
    """
    if min(between, within) < 0 or between + within == 0:
        raise UsageError(
            f"plan: variances must be at least 0 and not both 0 (given: between {between:g}, "
            f"within {within:g}); e.g. --between 0.05 --within 0.2"
        )
    return Pilot("stated", attempts, {"gap": Measured(math.nan, Variances(between, within))})
