"""Many tests: Holm for the confirmatory family, Benjamini-Hochberg for exploratory grids."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def holm(p: ArrayLike) -> Floats:
    """Adjusted p values that hold the chance of any false claim (Holm 1979); NaN is no test."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    order = order[~np.isnan(p[order])]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Adjusted p values that hold the false discovery rate (Benjamini & Hochberg 1995); NaN
    is no test."""
    p = np.asarray(p, float)
    order = np.argsort(-p)
    order = order[~np.isnan(p[order])]
    steps = p[order] * len(order) / np.arange(len(order), 0, -1)
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps), 1.0)
    return adjusted
