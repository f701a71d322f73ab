"""Sign-flip p values and the two-level bootstrap, for many contrasts at once.

The columns of a matrix are contrasts over the same problems; they share the random draws, so a
whole study costs one pass of matrix products.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK = 100_000
"""Numbers drawn at a time: what fits the cache is twice as fast as what does not."""


def sign_flip_p(contrasts: Floats, resamples: int, seed: int) -> Floats:
    """Two-sided p of mean 0 under symmetry, for each column of [problem, contrast].

    All 2^n sign vectors where there are at most ``resamples``: p = their share that is at least as
    extreme. Otherwise p = (1 + hits) / (resamples + 1) from seeded random signs.
    """
    n = len(contrasts)
    # equal sums differ by rounding: without the slack, ties would count at random
    observed = np.abs(contrasts.sum(axis=0)) - 1e-10 * np.abs(contrasts).sum(axis=0)
    hits = np.zeros(contrasts.shape[1])
    for signs in _signs(n, resamples, seed):
        hits += (np.abs(signs @ contrasts) >= observed).sum(axis=0)
    return hits / 2**n if _is_exact(n, resamples) else (1 + hits) / (resamples + 1)


def max_t_quantile(contrasts: Floats, resamples: int, seed: int, alpha: float) -> float:
    """Critical |t| of simultaneous 1 - alpha intervals for the columns of [problem, contrast].

    The quantile of the largest |t| over the columns under common sign flips of the centred
    contrasts (Westfall & Young 1993), so correlated columns cost little. Columns without variation
    are left out; NaN if none varies.
    """
    centred = contrasts - contrasts.mean(axis=0)
    squares = (centred**2).sum(axis=0)
    varies = squares > 1e-18
    if not varies.any():
        return math.nan
    centred, squares, n = centred[:, varies], squares[varies], len(contrasts)
    largest = []
    for signs in _signs(n, resamples, seed):
        sums = signs @ centred
        # all signs equal in a column that has only two opposite values leaves no variance
        variance = np.maximum(squares - sums**2 / n, 1e-12 * squares) / (n - 1)
        largest.append(np.abs(sums / np.sqrt(n * variance)).max(axis=1))
    return float(np.quantile(np.concatenate(largest), 1 - alpha))


def _is_exact(n: int, resamples: int) -> bool:
    return n < 63 and 2**n <= resamples


def _signs(n: int, resamples: int, seed: int):
    """All sign vectors where there are at most ``resamples``, else that many random ones."""
    return _all_signs(n) if _is_exact(n, resamples) else _random_signs(n, resamples, seed)


def _all_signs(n: int):
    patterns = np.arange(2**n)
    for part in np.array_split(patterns, 1 + 2**n * n // _CHUNK):
        yield 1.0 - 2.0 * ((part[:, None] >> np.arange(n)) & 1)


def _random_signs(n: int, resamples: int, seed: int):
    rng = np.random.default_rng([seed, 1])
    for rows in _chunks(n, resamples):
        bits = np.frombuffer(rng.bytes(rows * n // 8 + 1), np.uint8)
        yield 1.0 - 2.0 * np.unpackbits(bits, count=rows * n).reshape(rows, n)


def _chunks(n: int, resamples: int) -> list[int]:
    size = max(1, _CHUNK // n)
    full, rest = divmod(resamples, size)
    return [size] * full + [rest] * (rest > 0)


def two_level_bootstrap(
    contrasts: Floats, noise: Floats, resamples: int, seed: int, alpha: float
) -> tuple[Floats, Floats]:
    """Percentile bounds of the mean of each column: problems resampled, then replicates within.

    noise: [problem, contrast] variance that resampling its replicates gives a problem's value
    (0 where there is one replicate). The second level is drawn as the normal law of the sum over
    problems, which it approaches quickly, so that pool statistics need no recomputation.
    """
    n, columns = contrasts.shape
    rng = np.random.default_rng([seed, 2])
    means = np.empty((resamples, columns))
    start = 0
    for rows in _chunks(n, resamples):
        weights = _problem_weights(rng, rows, n)
        spread = np.sqrt(np.maximum(weights @ noise, 0.0))
        # one normal draw for all columns: a contrast's bounds depend on no other contrast
        jitter = spread * rng.standard_normal((rows, 1))
        means[start : start + rows] = (weights @ contrasts + jitter) / n
        start += rows
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2], axis=0)
    return low, high


def resampled_means(values: Sequence[Floats], resamples: int, seed: int) -> list[Floats]:
    """[resample, column] means of each [problem, column] over problems drawn anew.

    Those of the same number of problems share the random draws, which cost the most. NaN where
    there are no problems.
    """
    means = [np.full((resamples, some.shape[1]), np.nan) for some in values]
    for n in {len(some) for some in values} - {0}:
        alike = [pair for pair in zip(values, means, strict=True) if len(pair[0]) == n]
        rng, start = np.random.default_rng([seed, 3]), 0
        for rows in _chunks(n, resamples):
            weights = _problem_weights(rng, rows, n)
            for some, found in alike:
                found[start : start + rows] = weights @ some / n
            start += rows
    return means


def _problem_weights(rng: np.random.Generator, rows: int, n: int) -> Floats:
    """[row, problem] how often each of n problems is drawn in each of ``rows`` resamples."""
    drawn = rng.integers(0, n, (rows, n))
    drawn += n * np.arange(rows)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(float)
