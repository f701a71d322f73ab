"""Everything that is said about a contrast: intervals of both estimands, p values, bootstrap."""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from analysis.config import AnalysisConfig
from analysis.intervals import (
    Interval,
    fieller,
    fixed_interval,
    interval,
    is_single_run,
    mean_and_error,
)
from analysis.quantiles import beta_sf, coin_cdf, t_sf
from analysis.resampling import sign_flip_p, two_level_bootstrap
from analysis.statistic import Statistic

K = TypeVar("K", bound=Hashable)
Bounds = Callable[[Statistic, float], Interval]
"""(statistic, alpha) -> its two-sided interval."""
_LEAST_T_FOR_RATIO = 4.0


@dataclass(frozen=True)
class Inference:
    """interval: super-population. fixed: these problems only. boot_*: two-level bootstrap.

    p_t: two-sided t test; p_flip: sign flip; p_mcnemar: mid-p where there is one run per problem
    (contrast in {-1, 0, 1}, one replicate); posterior: then also the chance that the contrast is
    above 0, under a uniform prior on the four outcomes. NaN where undefined.
    """

    interval: Interval
    fixed: Interval
    p_t: float
    p_flip: float
    p_mcnemar: float
    posterior: float
    boot_low: float
    boot_high: float


def infer(
    contrasts: Mapping[K, Statistic], config: AnalysisConfig, resample: bool = True
) -> dict[K, Inference]:
    """Inference for each contrast; those over the same problems share their random draws.

    resample: false leaves out the sign flips and the bootstrap, which take nearly all the time.
    """
    groups: dict[bytes, list[K]] = {}
    for key, contrast in contrasts.items():
        groups.setdefault(contrast.known.tobytes(), []).append(key)
    found: dict[K, Inference] = {}
    for keys in groups.values():
        found.update(_infer_group({key: contrasts[key] for key in keys}, config, resample))
    return {key: found[key] for key in contrasts}


def _infer_group(
    group: Mapping[K, Statistic], config: AnalysisConfig, resample: bool
) -> dict[K, Inference]:
    statistics = list(group.values())
    nothing = np.full(len(statistics), math.nan)
    flips, lows, highs = nothing, nothing, nothing
    if resample and statistics[0].known.any():
        values = np.column_stack([s.sample for s in statistics])
        noise = np.column_stack([_resampled_noise(s) for s in statistics])
        flips = sign_flip_p(values, config.resamples, config.seed)
        lows, highs = two_level_bootstrap(
            values, noise, config.resamples, config.seed, config.alpha
        )
    return {
        key: Inference(
            interval(statistic, config.alpha),
            fixed_interval(statistic, config.alpha),
            t_p(statistic),
            float(flips[i]),
            *_single_run(statistic),
            float(lows[i]),
            float(highs[i]),
        )
        for i, (key, statistic) in enumerate(group.items())
    }


def _resampled_noise(statistic: Statistic) -> np.ndarray:
    """Drawing R replicates anew with replacement shows (R - 1) / R of their unbiased variance.

    A problem with one replicate is given the mean variance of the others, which have two or more.
    """
    within, least = statistic.within[statistic.known], max(2, statistic.replicates)
    some = within[~np.isnan(within)]
    mean = some.mean() if len(some) else 0.0
    return np.where(np.isnan(within), mean, within) * (1 - 1 / least)


def estimand_bounds(estimand: str) -> Bounds:
    """How the interval of the named estimand ("superpopulation" or "fixed") is found."""
    return interval if estimand == "superpopulation" else fixed_interval


def t_p(statistic: Statistic) -> float:
    """Two-sided p of the one-sample t test; NaN without variation."""
    if not _varies(statistic.sample):
        return math.nan
    return 2 * t_sf(abs(t_ratio(statistic)), len(statistic.sample) - 1)


def t_ratio(statistic: Statistic) -> float:
    """Mean over its standard error; 0 without variation."""
    if not _varies(statistic.sample):
        return 0.0
    mean, error = mean_and_error(statistic.sample)
    return mean / error


def _varies(d: np.ndarray) -> bool:
    return len(d) > 1 and bool(np.ptp(d) >= 1e-12)


def ratio_of_means(top: Statistic, bottom: Statistic, alpha: float) -> Interval | None:
    """mean(top) / mean(bottom) on the problems of both, with Fieller's bounds.

    None unless the bottom lies at least 4 standard errors from 0: nearer to it, the bounds are
    too wide to say anything, or no interval at all.
    """
    shared = top.known & bottom.known
    top, bottom = top.only(shared), bottom.only(shared)
    if abs(t_ratio(bottom)) < _LEAST_T_FOR_RATIO:
        return None
    limits = fieller(top.sample, bottom.sample, alpha)
    if limits is None:
        return None
    n = int(shared.sum())
    return Interval(top.estimate / bottom.estimate, *limits, n, "fieller")


def _single_run(statistic: Statistic) -> tuple[float, float]:
    """McNemar mid-p and posterior of a contrast of one run per problem, NaN for any other."""
    d = statistic.sample
    if len(d) == 0 or not is_single_run(statistic):
        return math.nan, math.nan
    plus, minus = int((d > 0.5).sum()), int((d < -0.5).sum())
    return mid_p(plus, minus), dirichlet_posterior(plus, minus)


def dirichlet_posterior(plus: int, minus: int) -> float:
    """P(p+ > p-) after ``plus`` and ``minus`` discordant pairs under Dirichlet(1, 1, 1, 1).

    p+ / (p+ + p-) is Beta(plus + 1, minus + 1) whatever the concordant pairs (compare Bowyer et
    al. 2025, arXiv 2503.01747).
    """
    return beta_sf(0.5, plus + 1, minus + 1)


def mid_p(plus: int, minus: int) -> float:
    """Two-sided mid-p of Binomial(plus + minus, 1/2)."""
    total, smaller = plus + minus, min(plus, minus)
    return min(1.0, coin_cdf(smaller, total) + coin_cdf(smaller - 1, total))
