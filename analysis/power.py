"""Power of tests on a mean over problems whose variance has two levels.

A contrast of one problem has variance between + within / R at R replicates: ``between`` is the
variance of its true value over problems, ``within`` the noise of one replicate (Miller 2024,
arXiv 2411.00640, sample size). More replicates shrink only the second.
"""

import math
from dataclasses import dataclass

from scipy import optimize, stats

from analysis.quantiles import t_isf

MOST_PROBLEMS = 10_000_000


@dataclass(frozen=True)
class Variances:
    """between: of the true contrast over problems; within: noise of one replicate; both >= 0."""

    between: float
    within: float

    def at(self, replicates: int) -> float:
        """Standard deviation over problems of the contrast at R replicates."""
        return math.sqrt(self.between + self.within / replicates)

    def scaled(self, factor: float) -> "Variances":
        return Variances(factor * self.between, factor * self.within)


def superiority(effect: float, sd: float, n: int, alpha: float, sides: int = 2) -> float:
    """Chance that the t interval of n problems lies above 0 where the true mean is ``effect``.

    sides: 2 = the two-sided 1 - alpha interval, 1 = the one-sided bound.
    """
    if n < 2:
        return 0.0
    if sd == 0:
        return float(effect > 0)
    critical = t_isf(alpha / sides, n - 1)
    return float(stats.nct.sf(critical, n - 1, effect * math.sqrt(n) / sd))


def detectable(sd: float, n: int, alpha: float, power: float) -> float:
    """The smallest mean that n problems show to be above 0 with this power; NaN if n < 2."""
    if n < 2:
        return math.nan
    if sd == 0:
        return 0.0
    quantiles = stats.t.isf(alpha / 2, n - 1) + stats.t.isf(1 - power, n - 1)
    guess = float(quantiles) * sd / math.sqrt(n)
    found = optimize.root_scalar(
        lambda effect: superiority(effect, sd, n, alpha) - power, bracket=(0, 3 * guess), xtol=1e-9
    )
    return float(found.root)


def drift(alpha: float, power: float, sides: int = 2) -> float:
    """Standard errors between 0 and an effect that is found with this power, by the normal law.

    2.8 at two-sided 5 % and 80 % (Miller 2024).
    """
    return float(stats.norm.isf(alpha / sides) + stats.norm.isf(1 - power))


def normal_problems(effect: float, variance: float, alpha: float, power: float) -> float:
    """(z_{alpha/2} + z_{1-power})^2 variance / effect^2, not rounded (Miller 2024)."""
    return drift(alpha, power) ** 2 * variance / effect**2


def problems_needed(
    effect: float, sd: float, alpha: float, power: float, sides: int = 2
) -> int | None:
    """The fewest problems with this power, by the t test; None where no number of them would do.

    For a claim at a margin: effect = margin - true value, sides = 1.
    """
    if effect <= 0:
        return None
    low, high = 1, 2
    while superiority(effect, sd, high, alpha, sides) < power:
        low, high = high, 2 * high
        if high > MOST_PROBLEMS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = superiority(effect, sd, middle, alpha, sides) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def upper_variance(point: float, terms: list[tuple[float, int]], confidence: float = 0.8) -> float:
    """Upper confidence bound of a sum of variance terms, some of which may be taken away.

    point: its estimate, at least 0. terms: (estimate, degrees of freedom) of each term, with its
    sign. The deviations to the bound of each term add up by squares (Graybill & Wang 1980; Ting et
    al. 1990). A plan on the point estimates of a small pilot misses its power half of the time
    (Browne 1995 asks for an 80 % bound). Exact for one term of normal contrasts.
    """
    squares = 0.0
    for term, freedom in terms:
        tail = confidence if term < 0 else 1 - confidence
        bound = freedom / stats.chi2.ppf(tail, freedom) if freedom > 0 else math.inf
        squares += (term * (bound - 1)) ** 2 if term else 0.0
    return point + math.sqrt(squares)
