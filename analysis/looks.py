"""Group-sequential looks: boundaries computed by integration, power and expected sample size.

At information share t the statistic is S(t) = Z(t) sqrt(t), a Brownian motion with drift theta.
The boundary of the Wang-Tsiatis family is |Z(t)| >= c t^(shape - 1/2): shape 0 is O'Brien and
Fleming (1979), shape 1/2 Pocock (1977). c makes the chance of any crossing alpha where theta = 0,
found by the recursion of Armitage, McPherson and Rowe (1969).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from analysis.quantiles import normal_isf

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)


@dataclass(frozen=True)
class Looks:
    """shares: of the final number of problems, at each look; critical: |z| that stops there."""

    shares: tuple[float, ...]
    critical: tuple[float, ...]
    alpha: float


def design(shares: Sequence[float], alpha: float, shape: float = 0.0) -> Looks:
    """The two-sided design with looks at these shares, rising to 1.

    Raises:
        ValueError: shares that do not rise from above 0 to 1.
    """
    # only a run with looks needs it, and its import takes longer than a small analysis
    from scipy.optimize import root_scalar

    t = np.asarray(shares, dtype=float)
    if len(t) == 0 or t[0] <= 0 or t[-1] != 1 or (np.diff(t) <= 0).any():
        raise ValueError("looks must rise from above 0 to 1")

    def excess(c: float) -> float:
        return float(_stops(t, c * t**shape, 0.0).sum()) - alpha

    # below the first end even one look would stop too often
    bracket = (0.99 * normal_isf(alpha / 2), 12.0)
    c = float(root_scalar(excess, bracket=bracket, xtol=1e-7).root)
    return Looks(tuple(t.tolist()), tuple((c * t ** (shape - 0.5)).tolist()), alpha)


def stop_chances(plan: Looks, drift: float) -> Floats:
    """Chance of crossing (either side) first at each look; drift = mean / se at the last look."""
    t = np.asarray(plan.shares)
    return _stops(t, np.asarray(plan.critical) * np.sqrt(t), drift)


def expected_share(plan: Looks, drift: float) -> float:
    """Expected share of the problems used, if each crossing ends the run."""
    chances = stop_chances(plan, drift)
    last = 1 - chances[:-1].sum()
    return float(np.dot([*chances[:-1], last], plan.shares))


def _stops(t: Floats, bound: Floats, drift: float) -> Floats:
    """First-crossing chances of |S(t)| >= bound for S with this drift."""
    steps = np.diff(t, prepend=0.0)
    points, mass = np.zeros(1), np.ones(1)
    stops = np.empty(len(t))
    for look, step in enumerate(steps):
        scale = math.sqrt(step)
        start = points + drift * step
        inside = ndtr((bound[look] - start) / scale)
        inside -= ndtr((-bound[look] - start) / scale)
        stops[look] = mass.sum() - mass @ inside
        ahead = bound[look] * _NODES
        density = np.exp(-(((ahead[:, None] - start) / scale) ** 2) / 2) / scale
        density /= math.sqrt(2 * math.pi)
        points, mass = ahead, bound[look] * _WEIGHTS * (density @ mass)
    return stops
