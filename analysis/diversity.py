"""The exploration statistics of a cell, one number per problem each."""

import numpy as np
from numpy.typing import NDArray

from analysis import estimators, exploration
from analysis.statistic import Statistic, over_replicates, without_noise
from analysis.table import Cell

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def pool_levels(
    cell: Cell, counts: Integers, n: Integers, coverage: Floats
) -> dict[str, Statistic]:
    """Of exchangeable attempts.

    counts: [problem, answer]; n: [problem] attempts; coverage: [problem, k].
    """
    most = float(np.log(max(int(n.max(initial=0)), 2)))
    return {
        "collision": _level(estimators.collision(counts, n)),
        "entropy": _level(exploration.entropy(counts), most + 1),
        "exhausted": _level(exploration.exhausted(counts, coverage.shape[1])),
        "missing_mass": _level(exploration.missing_mass(counts)),
        "coverage_area": _level(exploration.log_area(coverage)),
        "coverage_per_doubling": _level(exploration.per_doubling(coverage)),
        "step_information": _step_information(cell),
    }


def chain_levels(cell: Cell, coverage: Floats) -> dict[str, Statistic]:
    """Of independent chains. coverage: [problem, chain, k].

    Growth with k is not known where a budget of tokens ends some chains before N.
    """
    coverage = np.where(cell.short.any(), np.nan, coverage)
    return {
        "collision": _level(_chain_collision(cell)),
        "coverage_area": over_replicates(exploration.log_area(coverage)),
        "coverage_per_doubling": over_replicates(exploration.per_doubling(coverage)),
        "step_information": _step_information(cell),
    }


def _chain_collision(cell: Cell) -> Floats:
    complete = cell.present.all(axis=(1, 2))
    return np.where(complete, exploration.chain_collision(cell.answer), np.nan)


def _step_information(cell: Cell) -> Statistic:
    values = exploration.step_information(cell.answer)
    started = cell.present.any(axis=(1, 2))
    most = float(np.log(max(cell.answer.shape[1] * cell.answer.shape[2], 2)))
    return without_noise(np.where(started, values, np.nan), -most, most)


def _level(values: Floats, high: float = 1.0) -> Statistic:
    return without_noise(values, high=high)
