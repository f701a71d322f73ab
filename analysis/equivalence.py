"""Is an effect too small to matter? Two one-sided tests (TOST, Schuirmann 1987)."""

import math
from dataclasses import dataclass

import numpy as np

from analysis.intervals import interval, mean_and_error
from analysis.quantiles import t_sf
from analysis.statistic import Statistic


@dataclass(frozen=True)
class Equivalence:
    """equivalent: the 1 - 2 alpha interval lies inside (-margin, margin).

    p: the larger of the two one-sided t tests; NaN where no t interval is due.
    """

    equivalent: bool
    p: float


def equivalence(statistic: Statistic, margin: float, alpha: float) -> Equivalence:
    """Whether the mean is shown to lie within the margin on both sides, at error rate alpha.

    Decided by the interval, which guards against too little variation; ``tost_p`` < alpha says
    the same where that interval is a t interval.
    """
    found = interval(statistic, 2 * alpha)
    inside = -margin < found.low and found.high < margin
    return Equivalence(inside, tost_p(statistic.sample, margin) if found.method == "t" else np.nan)


def tost_p(d: np.ndarray, margin: float) -> float:
    """p of |mean| >= margin: the larger one-sided p; NaN without variation."""
    if len(d) < 2:
        return math.nan
    mean, error = mean_and_error(d)
    return t_sf((margin - abs(mean)) / error, len(d) - 1) if error > 1e-12 else math.nan
