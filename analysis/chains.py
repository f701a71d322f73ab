"""Statistics of ordered chains. Steps are not exchangeable: no subsets, means over chains only.

Arrays are [..., step]; a statistic of the first k attempts is NaN once one of them is not known.
``short`` marks attempts that a budget of tokens cut or did not allow: their grade is that of no
answer, and what the chain has reached before stays.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def known_prefix(known: Booleans) -> Booleans:
    """True while this step and all earlier ones are known."""
    return np.logical_and.accumulate(known, axis=-1)


def coverage_curve(correct: Floats) -> Floats:
    """1 if any of the first k attempts is correct."""
    hit = np.maximum.accumulate(correct == 1, axis=-1)
    return np.where(known_prefix(~np.isnan(correct)), hit, np.nan)


def share_curve(correct: Floats, short: Booleans) -> Floats:
    """Share of correct ones among the first k attempts without the short ones; 0 of none is 0."""
    right, ended = ((x & ~short).cumsum(axis=-1) for x in (correct == 1, np.ones_like(short)))
    known = known_prefix(~np.isnan(correct) | short)
    return np.where(known, right / np.maximum(ended, 1), np.nan)


def last_curve(correct: Floats, short: Booleans) -> Floats:
    """Grade of the last of the first k attempts that is not short; 0 where all are."""
    step = np.maximum.accumulate(np.where(short, -1, np.arange(correct.shape[-1])), axis=-1)
    return np.where(step < 0, 0.0, np.take_along_axis(correct, np.maximum(step, 0), axis=-1))


def first_seen(codes: Integers) -> Booleans:
    """True where the answer was not given earlier in the chain; False where there is no answer."""
    order = np.argsort(codes, axis=-1, kind="stable")
    ordered = np.take_along_axis(codes, order, axis=-1)
    new = np.ones_like(ordered, dtype=bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=-1)
    return first & (codes >= 0)


def repeats(codes: Integers, present: Booleans) -> Floats:
    """1 where the answer was given earlier in the chain, else 0; an attempt without answer is 0."""
    repeated = (codes >= 0) & ~first_seen(codes)
    return np.where(known_prefix(present), repeated, np.nan)


def distinct_curve(codes: Integers, present: Booleans) -> Floats:
    """Distinct answers among the first k attempts."""
    return np.where(known_prefix(present), np.cumsum(first_seen(codes), axis=-1), np.nan)


def identity_terms(
    coverage_p: float, coverage_s: float, selection_p: float, selection_s: float
) -> tuple[float, float]:
    """Exact split of acc_P - acc_S, acc = coverage x selection: (coverage term, selection term)."""
    coverage = (coverage_p - coverage_s) * (selection_p + selection_s) / 2
    selection = (selection_p - selection_s) * (coverage_p + coverage_s) / 2
    return coverage, selection
