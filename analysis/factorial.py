"""A two-level factorial design as linear contrasts over its cells, one number per problem.

Cells are numbered in binary: bit j of a cell says whether factor j is on. Effects are losses: the
value with the factor off minus the value with it on, so that they add up to the gap between the
cell with nothing on and the cell with everything on.
"""

import itertools
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """The loss that one factor makes, each [problem]; None where a cell it needs is missing.

    shapley: mean over all orders in which the factors could be turned on (Shapley-Shorrocks).
    first: turned on alone; last: turned on after all others.
    least, most: smallest and largest mean over problems of its step in any order, None with
    shapley.
    """

    shapley: Floats | None
    first: Floats | None
    last: Floats | None
    least: float | None
    most: float | None

    @property
    def separable(self) -> bool | None:
        """Whether the effect has one sign in every order; None where that is not known."""
        if self.least is None or self.most is None:
            return None
        return self.least * self.most >= 0


def shapley_weights(factors: int) -> Floats:
    """[factor, cell]: ``values @ weights.T`` are the Shapley losses; rows sum to 0."""
    weights = np.zeros((factors, 2**factors))
    for factor in range(factors):
        for cell in _without(factor, factors):
            on = cell.bit_count()
            share = factorial(on) * factorial(factors - on - 1) / factorial(factors)
            weights[factor, cell] += share
            weights[factor, cell | 1 << factor] -= share
    return weights


def _without(factor: int, factors: int) -> list[int]:
    return [cell for cell in range(2**factors) if not cell >> factor & 1]


def effect(values: Floats, factor: int) -> Effect:
    """The effect of one factor.

    values: [problem, cell], 2^m cells; a column of NaN = the cell was not measured. Every problem
    must have all measured cells.
    """
    factors = values.shape[1].bit_length() - 1
    off = _without(factor, factors)
    steps = values[:, off] - values[:, [cell | 1 << factor for cell in off]]
    first, last = steps[:, 0], steps[:, -1]
    first = None if np.isnan(first).any() else first
    last = None if np.isnan(last).any() else last
    if np.isnan(steps).any() or not len(values):
        return Effect(None, first, last, None, None)
    shares = values @ shapley_weights(factors)[factor]
    means = steps.mean(axis=0)
    return Effect(shares, first, last, float(means.min()), float(means.max()))


def interactions(values: Floats) -> dict[tuple[int, int], Floats]:
    """What two factors lose together beyond the sum of each alone, the others off; [problem].

    Pairs with a missing cell are left out.
    """
    factors = values.shape[1].bit_length() - 1
    found = {}
    for i, j in itertools.combinations(range(factors), 2):
        one, other = 1 << i, 1 << j
        extra = values[:, one] + values[:, other] - values[:, 0] - values[:, one | other]
        if len(extra) and not np.isnan(extra).any():
            found[i, j] = extra
    return found
