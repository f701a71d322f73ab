"""How many tokens sequential needs for what parallel reaches, in tokens of parallel."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.config import AnalysisConfig
from analysis.matching import Curves
from analysis.resampling import resampled_means

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CostRatio:
    """Tokens that sequential needs for what parallel reaches with k attempts, over parallel's.

    ratio: infinite where sequential never gets there with its N attempts; then it is above
    ``least``. low, high: percentile bootstrap over problems, infinite where censored.
    """

    k: int
    reached: float
    tokens: float
    ratio: float
    least: float
    low: float
    high: float


def cost_ratio(
    parallel: Curves, sequential: Curves, cost: str, k: int, config: AnalysisConfig
) -> CostRatio:
    """The ratio on the mean curves: every problem is given the same number of attempts."""
    p, s = parallel.cost[cost], sequential.cost[cost]
    priced = ~np.isnan(p).any(axis=1) & ~np.isnan(s).any(axis=1)
    keep = parallel.usable & sequential.usable & priced
    columns = [parallel.value[keep, k - 1], p[keep, k - 1], *sequential.value[keep].T, *s[keep].T]
    data = np.column_stack(columns)
    if len(data) == 0:
        return CostRatio(k, *[math.nan] * 6)
    steps = sequential.value.shape[1]
    ratios = _ratios(resampled_means(data, config.resamples, config.seed), steps)[0]
    low, high = np.quantile(ratios, [config.alpha / 2, 1 - config.alpha / 2], method="nearest")
    mean = data.mean(axis=0)[None, :]
    ratio, least = (float(found[0]) for found in _ratios(mean, steps))
    return CostRatio(k, float(mean[0, 0]), float(mean[0, 1]), ratio, least, float(low), float(high))


def _ratios(means: Floats, steps: int) -> tuple[Floats, Floats]:
    """[row] (ratio, censoring bound) of rows (target, tokens, values.., costs..)."""
    target, tokens = means[:, 0], means[:, 1]
    value, cost = means[:, 2 : 2 + steps], means[:, 2 + steps :]
    reached = value >= target[:, None] - 1e-12
    first = reached.argmax(axis=1)
    rows = np.arange(len(means))
    before = np.maximum(first - 1, 0)
    rise = value[rows, first] - value[rows, before]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(rise > 0, (target - value[rows, before]) / rise, 1.0)
        needed = cost[rows, before] + share * (cost[rows, first] - cost[rows, before])
        ratio = np.where(reached.any(axis=1), needed / tokens, math.inf)
        return ratio, cost[:, -1] / tokens
