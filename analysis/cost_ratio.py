"""How many tokens sequential needs for what parallel reaches, in tokens of parallel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.config import AnalysisConfig
from analysis.matching import Curves
from analysis.resampling import resampled_means

Floats = NDArray[np.float64]

FEWEST_PROBLEMS = 5
"""For an interval."""


@dataclass(frozen=True)
class CostRatio:
    """Tokens that sequential needs for what parallel reaches with k attempts, over parallel's.

    ratio: infinite where sequential never gets there with its N attempts; then it is above
    ``least``. low, high: percentile bootstrap over problems, infinite where censored; NaN for
    fewer than 5 problems, of which a bootstrap says too little. n: problems. reason: why ratio is
    NaN, else None.
    """

    k: int
    reached: float
    tokens: float
    ratio: float
    least: float
    low: float
    high: float
    n: int
    reason: str | None = None


def cost_ratios(
    pairs: Sequence[tuple[Curves, Curves]], cost: str, ks: Sequence[int], config: AnalysisConfig
) -> list[list[CostRatio]]:
    """Of each (parallel, sequential) the ratio for each k on the mean curves: every problem is
    given the same number of attempts.

    Empty where no problem has all attempts and prices.
    """
    data = [_known(*pair, cost) for pair in pairs]
    drawn = resampled_means(data, config.resamples, config.seed)
    sizes = [parallel.value.shape[1] for parallel, _ in pairs]
    return [
        [_cost_ratio(k, some, means, n, config.alpha) for k in ks] if len(some) else []
        for some, means, n in zip(data, drawn, sizes, strict=True)
    ]


def _known(parallel: Curves, sequential: Curves, cost: str) -> Floats:
    """[problem, column] values and costs of parallel, then of sequential, where all are known."""
    p, s = parallel.cost[cost], sequential.cost[cost]
    priced = ~np.isnan(p).any(axis=1) & ~np.isnan(s).any(axis=1)
    keep = parallel.usable & sequential.usable & priced
    return np.hstack([parallel.value[keep], p[keep], sequential.value[keep], s[keep]])


def _cost_ratio(k: int, data: Floats, drawn: Floats, n: int, alpha: float) -> CostRatio:
    columns = [k - 1, n + k - 1, *range(2 * n, data.shape[1])]
    mean, steps = data[:, columns].mean(axis=0)[None, :], (data.shape[1] - 2 * n) // 2
    ratio, least = (float(found[0]) for found in _ratios(mean, steps))
    reached, tokens = float(mean[0, 0]), float(mean[0, 1])
    low = high = math.nan
    if not tokens > 0:
        said = "no tokens are counted"
        return CostRatio(k, reached, tokens, math.nan, math.nan, low, high, len(data), said)
    if reached <= 0:
        said = "parallel solves nothing, which costs nothing to reach"
        return CostRatio(k, reached, tokens, math.nan, least, low, high, len(data), said)
    if len(data) >= FEWEST_PROBLEMS:
        ratios = _ratios(drawn[:, columns], steps)[0]
        ends = np.quantile(ratios, [alpha / 2, 1 - alpha / 2], method="nearest")
        low, high = float(ends[0]), float(ends[1])
    return CostRatio(k, reached, tokens, ratio, least, low, high, len(data))


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
