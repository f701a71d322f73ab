"""Unbiased statistics of exchangeable attempts (a pool of parallel samples of one problem).

One kernel serves all of them: the chance that a class seen c times among n attempts is absent from
k attempts drawn without replacement, C(n-c, k) / C(n, k). Its complement for the correct class is
pass@k (Chen et al. 2021, arXiv 2107.03374); summed over classes it is the expected number of
distinct answers (Hurlbert 1971).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def absent(n: ArrayLike, count: ArrayLike, k: ArrayLike) -> Floats:
    """C(n-count, k) / C(n, k), elementwise; NaN where n < k."""
    n, count, k = np.broadcast_arrays(*(np.asarray(x, float) for x in (n, count, k)))
    left = np.maximum(n - count - k, 0)
    draws = np.maximum(n - k, 0)
    log = gammaln(n - count + 1) - gammaln(left + 1) - gammaln(n + 1) + gammaln(draws + 1)
    # gammaln leaves 1e-14 of noise at count 0, which would make equal problems look different
    value = np.where(count == 0, 1.0, np.where(n - count < k, 0.0, np.exp(log)))
    return np.where(n < k, np.nan, value)


def pass_at_k(n: ArrayLike, correct: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased chance that k attempts hold a correct one, from ``correct`` of n; NaN if n < k."""
    return 1.0 - absent(n, correct, k)


def pass_at_k_variance(n: ArrayLike, correct: ArrayLike, k: ArrayLike) -> Floats:
    """Unbiased sampling variance of ``pass_at_k``; NaN if n < 2k.

    May be negative for one problem: average it over problems before use.
    """
    return absent(n, correct, k) ** 2 - absent(n, correct, 2 * np.asarray(k))


def answer_counts(codes: Integers) -> Integers:
    """How often each answer occurs in each row, largest first, padded with 0.

    codes: [row, attempt] answer codes, negative = no answer. Returns [row, most classes seen].
    """
    rows, width = codes.shape
    ordered = np.sort(codes, axis=1)
    new = np.ones_like(ordered, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    cell = np.cumsum(new, axis=1) - 1 + np.arange(rows)[:, None] * width
    counts = np.bincount(cell.ravel(), (ordered >= 0).ravel(), rows * width).reshape(rows, width)
    counts = -np.sort(-counts.astype(np.int64), axis=1)
    return counts[:, : max(1, int((counts > 0).sum(axis=1).max(initial=0)))]


def distinct_curve(counts: Integers, n: Integers, steps: int) -> Floats:
    """Expected distinct answers in k = 1..steps attempts drawn from n, per row (rarefaction).

    counts: [row, class]; n: [row] attempts including those without an answer. NaN where n < k.
    """
    curve = np.full((len(counts), steps), np.nan)
    for size in np.unique(n):
        rows = n == size
        present = counts[rows]
        spectrum = np.zeros((len(present), int(size) + 1))
        np.add.at(spectrum, (np.arange(len(present))[:, None], present), 1)
        seen = 1.0 - absent(size, np.arange(int(size) + 1)[:, None], np.arange(1, steps + 1))
        curve[rows] = spectrum @ seen
    return curve


def repeat_baseline(counts: Integers, n: Integers, steps: int) -> Floats:
    """Chance that draw j gives an answer already given, under independent draws; [row, steps].

    Draw j adds D(j) - D(j-1) expected new answers, so it repeats one with the chance of having an
    answer at all less that; unbiased from the counts of a pool. 0 at j = 1.
    """
    growth = np.diff(distinct_curve(counts, n, steps), axis=1, prepend=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts.sum(axis=1) / n)[:, None] - growth


def collision(counts: Integers, n: Integers) -> Floats:
    """Unbiased chance that two attempts give the same answer (Simpson); NaN where n < 2."""
    pairs = (counts * (counts - 1)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n < 2, np.nan, pairs / (n * (n - 1)))
