"""Families whose records hold no answers: what is made of answers is then not known, never 0."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.cells import CellStatistics
from analysis.statistic import Statistic
from analysis.table import FINISHES, Cell

Floats = NDArray[np.float64]

_OF_ANSWERS = (
    "majority",
    "weighted_vote",
    "repeat_rate",
    "distinct",
    "valid",
    "ideal_coverage",
    "collision",
    "entropy",
    "exhausted",
    "missing_mass",
    "step_information",
    "repeat_after_wrong",
    "repeat_after_correct",
)


def lack_answers(cells: Collection[Cell]) -> bool:
    """True where attempts ended by themselves, yet not one of the family has an answer."""
    ended = any((cell.finish == FINISHES.index("stop")).any() for cell in cells)
    return ended and not any((cell.answer >= 0).any() for cell in cells)


def without_answers(found: CellStatistics) -> CellStatistics:
    """The statistics with NaN for whatever is made of answers, and without a pool of them."""
    levels = {name: _unknown(level, name) for name, level in found.levels.items()}
    curves = {
        name: np.full_like(values, np.nan) if name in _OF_ANSWERS else values
        for name, values in found.curves.items()
    }
    transitions = {
        name: (events, _none(at_risk, name))
        for name, (events, at_risk) in found.transitions.items()
    }
    return replace(found, levels=levels, curves=curves, transitions=transitions, pool=None)


def _unknown(level: Statistic, name: str) -> Statistic:
    return level.only(np.zeros(len(level.values), dtype=bool)) if name in _OF_ANSWERS else level


def _none(at_risk: Floats, name: str) -> Floats:
    return np.zeros_like(at_risk) if name in _OF_ANSWERS else at_risk
