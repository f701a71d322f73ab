"""Confidence intervals for a mean over problems, and for a ratio of two such means."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.quantiles import beta_isf, normal_isf, t_isf
from analysis.statistic import Statistic

Floats = NDArray[np.float64]

FEWEST_NON_ZERO = 5
_TINY = 1e-9


@dataclass(frozen=True)
class Interval:
    """low, high: NaN where undefined. method: "t", "bonett-price", "wilson", "sign bound", "z",
    "still bound", "delta" or "fieller".

    degenerate: too little variation for a t interval, so another method stands in.
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str = "t"
    degenerate: bool = False


def interval(statistic: Statistic, alpha: float) -> Interval:
    """The two-sided 1 - alpha interval for problems like these (super-population).

    Contrasts in {-1, 0, 1} of one run per problem: Bonett-Price. Standard deviation 0, or fewer
    than 5 problems that differ from 0 (for a level: from its ends): never t; Wilson for a level, a
    sign bound for a contrast. Otherwise t over problems with n - 1 degrees of freedom.
    """
    d = statistic.sample
    if len(d) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    level = statistic.low == 0
    degenerate = _is_degenerate(d, statistic)
    if not level and is_single_run(statistic):
        low, high = bonett_price(int((d > 0.5).sum()), int((d < -0.5).sum()), len(d), alpha)
        return Interval(float(d.mean()), low, high, len(d), "bonett-price", degenerate)
    if not degenerate:
        return Interval(float(d.mean()), *t_interval(d, alpha), len(d))
    if level:
        low, high = wilson(float(d.mean()) / statistic.high, len(d), alpha)
        low, high = low * statistic.high, high * statistic.high
        return Interval(float(d.mean()), low, high, len(d), "wilson", True)
    low, high = sign_bound(d, statistic.low, statistic.high, alpha)
    return Interval(float(d.mean()), low, high, len(d), "sign bound", True)


def fixed_interval(statistic: Statistic, alpha: float) -> Interval:
    """The interval for these very problems: replicate noise only, z.

    NaN bounds where no problem has two replicates. A problem with one replicate is given the mean
    variance of the others. Fewer than 5 problems whose replicates differ: ``still_bound``.
    """
    d = statistic.sample
    within = statistic.within[statistic.known]
    moves = np.abs(np.nan_to_num(within)) > _TINY
    within = within[~np.isnan(within)]
    if len(within) == 0:
        estimate = float(d.mean()) if len(d) else math.nan
        return Interval(estimate, math.nan, math.nan, len(d), "z")
    if moves.sum() < FEWEST_NON_ZERO:
        low, high = still_bound(statistic, moves, alpha)
        return Interval(float(d.mean()), low, high, len(d), "still bound", True)
    # an unbiased variance may be negative for one problem, hardly ever for the mean of many
    half = normal_isf(alpha / 2) * math.sqrt(max(float(within.mean()), 0.0) / len(d))
    return Interval(float(d.mean()), float(d.mean()) - half, float(d.mean()) + half, len(d), "z")


def _is_degenerate(d: Floats, statistic: Statistic) -> bool:
    fewest = int((np.abs(d) > _TINY).sum())
    if statistic.low == 0:
        fewest = min(fewest, int((np.abs(d - statistic.high) > _TINY).sum()))
    return float(np.ptp(d)) < _TINY or fewest < FEWEST_NON_ZERO


def is_single_run(statistic: Statistic) -> bool:
    """A contrast of one run per problem, so -1, 0 or 1 in each."""
    d = statistic.sample
    whole = bool((np.abs(d - np.round(d)) < _TINY).all())
    return whole and statistic.high == 1 and statistic.replicates == 1


def t_interval(d: Floats, alpha: float) -> tuple[float, float]:
    """mean(d) -/+ t_{n-1} sd(d) / sqrt(n). Raises ValueError if n < 2."""
    if len(d) < 2:
        raise ValueError("a t interval needs at least 2 problems")
    mean, error = mean_and_error(d)
    half = t_isf(alpha / 2, len(d) - 1) * error
    return mean - half, mean + half


def mean_and_error(d: Floats) -> tuple[float, float]:
    """mean(d) and its standard error sd(d) / sqrt(n), of n >= 2 values."""
    mean = float(d.sum()) / len(d)
    centred = d - mean
    return mean, math.sqrt(float(centred @ centred) / (len(d) - 1) / len(d))


def bonett_price(plus: int, minus: int, n: int, alpha: float) -> tuple[float, float]:
    """Wald interval for (plus - minus) / n with (plus + 1), (minus + 1), (n + 2).

    Paired proportions with one run per problem (Bonett & Price 2012, adjusted Wald).
    """
    p, q = (plus + 1) / (n + 2), (minus + 1) / (n + 2)
    half = normal_isf(alpha / 2) * math.sqrt((p + q - (p - q) ** 2) / (n + 2))
    return max(-1.0, p - q - half), min(1.0, p - q + half)


def wilson(share: float, n: int, alpha: float) -> tuple[float, float]:
    """Wilson score interval; conservative where ``share`` is a mean of values inside [0, 1]."""
    z = normal_isf(alpha / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def sign_bound(d: Floats, low: float, high: float, alpha: float) -> tuple[float, float]:
    """Bounds for a mean of values in [low, high] that vary too little for a t interval.

    E[d] <= high P(d > 0) and E[d] >= low P(d < 0), with one-sided Clopper-Pearson bounds for the
    two shares. Where no problem, or every problem, lies above 0, the largest value m says more:
    E[d] <= m P(d <= m) + high P(d > m), and at most a share 1 - (alpha/2)^(1/n) of the population
    lies above the largest of n draws (the rule of three at alpha/2). Likewise below.
    """
    n = len(d)

    def end(count: int, extreme: float, limit: float) -> float:
        if 0 < count < n:
            return limit * beta_isf(alpha / 2, count + 1, n - count)
        beyond = beta_isf(alpha / 2, 1, n)
        return extreme * (1 - beyond) + limit * beyond

    above, below = int((d > _TINY).sum()), int((d < -_TINY).sum())
    return end(below, float(d.min()), low), end(above, float(d.max()), high)


def still_bound(
    statistic: Statistic, moves: NDArray[np.bool_], alpha: float
) -> tuple[float, float]:
    """Bounds for these very problems where hardly any shows noise over its replicates.

    moves: [known problem] its replicates differ; those: Wilson on their replicates. The other s
    problems gave one value d_i each in all R replicates, so at most a share 1 - (a/2)^(1/(s R)) of
    such replicates gives another, which moves their mean by at most that share of the way from the
    outermost d_i to the end of the range. Where there are both kinds, each has half of alpha.
    """
    d, runs, ends = statistic.sample, statistic.replicates, (statistic.low, statistic.high)
    still, moving = d[~moves], d[moves]
    alpha = alpha / 2 if len(still) and len(moving) else alpha
    sums = np.zeros(2)
    if len(still):
        beyond = beta_isf(alpha / 2, 1, len(still) * runs)
        way = np.array([ends[0] - still.max(), ends[1] - still.min()])
        sums += still.sum() + len(still) * beyond * way
    if len(moving):
        span = ends[1] - ends[0]
        shares = wilson((float(moving.mean()) - ends[0]) / span, len(moving) * runs, alpha)
        sums += len(moving) * (ends[0] + span * np.array(shares))
    low, high = np.clip(sums / len(d), *ends)
    return float(low), float(high)


def ratio_interval(top: Floats, bottom: Floats, alpha: float) -> Interval:
    """sum(top) / sum(bottom) over problems, for 0 <= top <= bottom; [problem] each.

    t interval of the linearised ratio; Wilson where fewer than 5 problems differ from either end.
    """
    keep = ~np.isnan(top) & ~np.isnan(bottom) & (bottom > 0)
    top, bottom = top[keep], bottom[keep]
    if len(top) == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    ratio = float(top.sum() / bottom.sum())
    influence = (top - ratio * bottom) / bottom.mean()
    inside = min(int((part > _TINY).sum()) for part in (top, bottom - top))
    if inside < FEWEST_NON_ZERO or float(np.ptp(influence)) < _TINY:
        return Interval(ratio, *wilson(ratio, len(top), alpha), len(top), "wilson", True)
    low, high = t_interval(influence + ratio, alpha)
    return Interval(ratio, max(0.0, low), min(1.0, high), len(top))


def ratio_difference(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], alpha: float
) -> Interval:
    """The first of two such ratios less the second, of the same problems; (top, bottom) each.

    t interval of the linearised difference; without bounds where hardly a problem moves it.
    """
    sides = [part for side in (first, second) for part in side]
    keep = ~np.isnan(sides).any(axis=0) & (first[1] + second[1] > 0)
    top, bottom, other, under = (part[keep] for part in sides)
    if not (bottom.any() and under.any()):
        return Interval(math.nan, math.nan, math.nan, 0)
    ratio, less = float(top.sum() / bottom.sum()), float(other.sum() / under.sum())
    influence = (top - ratio * bottom) / bottom.mean() - (other - less * under) / under.mean()
    moved = int((np.abs(influence) > _TINY).sum())
    if moved < FEWEST_NON_ZERO or float(np.ptp(influence)) < _TINY:
        return Interval(ratio - less, math.nan, math.nan, len(top), "delta", True)
    low, high = t_interval(influence + ratio - less, alpha)
    return Interval(ratio - less, low, high, len(top), "delta")


def fieller(numerator: Floats, denominator: Floats, alpha: float) -> tuple[float, float] | None:
    """Bounds of mean(numerator) / mean(denominator), paired; None where the set is unbounded.

    {rho : (A - rho B)^2 <= t^2 (V_A - 2 rho C_AB + rho^2 V_B)} (Fieller 1954).
    """
    n = len(numerator)
    a, b = float(numerator.mean()), float(denominator.mean())
    (va, cab), (_, vb) = np.cov(numerator, denominator) / n
    t2 = t_isf(alpha / 2, n - 1) ** 2
    square, linear, constant = b * b - t2 * vb, a * b - t2 * cab, a * a - t2 * va
    if square <= 0:
        return None
    root = math.sqrt(max(linear**2 - square * constant, 0.0))
    return float((linear - root) / square), float((linear + root) / square)
