"""One number per problem: what every interval and test afterwards works on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """An unbiased estimate per problem.

    values: [problem], NaN = the problem is left out.
    within: [problem] unbiased sampling variance of ``values`` over replicates, NaN = cannot say.
    replicates: the smallest number of replicates behind a value.
    low, high: the least and largest value the statistic can take; low 0 = a level, else a contrast.
    """

    values: Floats
    within: Floats
    replicates: int = 1
    low: float = 0.0
    high: float = 1.0

    def __sub__(self, other: "Statistic") -> "Statistic":
        """The contrast, problem by problem; the two must come from independent attempts."""
        return Statistic(
            self.values - other.values,
            self.within + other.within,
            min(self.replicates, other.replicates),
            self.low - other.high,
            self.high - other.low,
        )

    @property
    def known(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.values)

    @property
    def sample(self) -> Floats:
        """The values of the problems that count."""
        return self.values[self.known]

    @property
    def estimate(self) -> float:
        """Mean over problems; NaN if there are none."""
        return float(self.sample.mean()) if self.known.any() else float("nan")

    def only(self, problems: NDArray[np.bool_]) -> "Statistic":
        """The same with every other problem left out."""
        values = np.where(problems, self.values, np.nan)
        return Statistic(values, self.within, self.replicates, self.low, self.high)


def without_noise(
    values: Floats, low: float = 0.0, high: float = 1.0, replicates: int = 1
) -> Statistic:
    """A statistic of which the noise within problems cannot be told."""
    return Statistic(values, np.full(len(values), np.nan), replicates, low, high)


def over_replicates(values: Floats, high: float = 1.0) -> Statistic:
    """Mean over replicates of [problem, replicate] values; NaN replicates are left out."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0).sum(axis=1) / count
        squares = np.where(known, (values - mean[:, None]) ** 2, 0).sum(axis=1)
        within = np.where(count > 1, squares / (count - 1) / count, np.nan)
    smallest = int(count[count > 0].min()) if count.any() else 1
    return Statistic(np.where(count > 0, mean, np.nan), within, smallest, 0.0, high)
