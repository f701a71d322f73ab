"""Error over training seeds: one adapter is one draw of its method."""

import math

import numpy as np
from numpy.typing import NDArray

from analysis.quantiles import t_isf

Floats = NDArray[np.float64]


def seed_interval(means: Floats, alpha: float) -> tuple[float, float]:
    """t over the seeds' means, for these problems; NaN with one seed or without variation."""
    if len(means) < 2 or np.ptp(means) < 1e-9:
        return math.nan, math.nan
    half = t_isf(alpha / 2, len(means) - 1) * float(means.std(ddof=1)) / len(means) ** 0.5
    return float(means.mean()) - half, float(means.mean()) + half


def crossed_interval(values: Floats, alpha: float) -> tuple[float, float]:
    """The mean of [seed, problem] for other seeds and other problems: both are a sample.

    Variance by two-way clustering, seeds + problems - residual (Cameron, Gelbach & Miller 2011).
    Each part takes the t quantile of its own degrees of freedom, S - 1 and n - 1, and the squared
    half-widths add (Welch's problem, as in Howe 1974); never narrower than ``seed_interval``. NaN
    with fewer than 2 seeds or problems, or where the seeds do not vary.
    """
    seeds, problems = values.shape
    if seeds < 2 or problems < 2:
        return math.nan, math.nan
    by_seed, by_problem, mean = values.mean(axis=1), values.mean(axis=0), float(values.mean())
    if np.ptp(by_seed) < 1e-9:
        return math.nan, math.nan
    rest = values - by_seed[:, None] - by_problem + mean
    residual = (rest**2).sum() / ((seeds - 1) * (problems - 1)) / (seeds * problems)
    between = max(0.0, by_problem.var(ddof=1) / problems - residual)
    halves = (
        t_isf(alpha / 2, seeds - 1) * math.sqrt(by_seed.var(ddof=1) / seeds),
        t_isf(alpha / 2, problems - 1) * math.sqrt(between),
    )
    return mean - math.hypot(*halves), mean + math.hypot(*halves)
