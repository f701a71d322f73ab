"""A confidence sequence for a bounded mean by betting: valid at every sample size at once.

Hedged capital of Waudby-Smith and Ramdas (arXiv 2010.09686, section 4): for each candidate mean m
one gambler bets that the mean is above m, one that it is below; m is refuted once half of either's
capital passes 1 / alpha. No assumption on the law but the bounds, no looks fixed in advance.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_GRID = 1001
_MOST_STAKE = 0.5


@dataclass(frozen=True)
class Bounds:
    """low, high: [n] after 1..n problems; they never widen."""

    low: Floats
    high: Floats


def confidence_sequence(values: Floats, low: float, high: float, alpha: float) -> Bounds:
    """Bounds of the mean of values in [low, high], jointly right with chance 1 - alpha.

    They are rounded outwards to 1/1000 of the range. An upper or a lower bound alone is right
    with chance 1 - alpha / 2.
    """
    x = _unit(values, low, high)
    grid = np.linspace(0, 1, _GRID)
    up, down = _log_capital(x, grid[:, None], alpha)
    most = math.log(2 / alpha)
    below = np.logical_and.accumulate(up >= most, axis=0).sum(axis=0)
    above = np.logical_and.accumulate(down[::-1] >= most, axis=0).sum(axis=0)
    lower = grid[np.clip(below - 1, 0, _GRID - 1)]
    upper = grid[np.clip(_GRID - above, 0, _GRID - 1)]
    span = high - low
    return Bounds(
        low + span * np.maximum.accumulate(lower), low + span * np.minimum.accumulate(upper)
    )


def _unit(values: Floats, low: float, high: float) -> Floats:
    x = (np.asarray(values, dtype=float) - low) / (high - low)
    if ((x < -1e-9) | (x > 1 + 1e-9)).any():
        raise ValueError(f"values outside [{low:g}, {high:g}]")
    return np.clip(x, 0, 1)


def _log_capital(x: Floats, means: Floats, alpha: float) -> tuple[Floats, Floats]:
    """[mean, n]: log capital of the bets that the true mean is above, and below, ``means``.

    means: [mean, 1].
    """
    stakes = _stakes(x, alpha)
    # a stake c/m keeps every factor at 1 - c or more; at m = 0 (1) nothing is at risk
    with np.errstate(divide="ignore"):
        up = np.minimum(stakes, _MOST_STAKE / means)
        down = np.minimum(stakes, _MOST_STAKE / (1 - means))
    gains = up * (x - means), down * (means - x)
    return np.log1p(gains[0]).cumsum(axis=1), np.log1p(gains[1]).cumsum(axis=1)


def _stakes(x: Floats, alpha: float) -> Floats:
    """sqrt(2 log(2/alpha) / (v_{t-1} t log(t+1))): each from the values before it alone."""
    t = np.arange(1, len(x) + 1)
    means = (0.5 + x.cumsum()) / (t + 1)
    variances = (0.25 + ((x - means) ** 2).cumsum()) / (t + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    return np.sqrt(2 * math.log(2 / alpha) / (before * t * np.log(t + 1)))
