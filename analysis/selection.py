"""Selection by numbers the attempts carry: best-of-n by score, and weighted votes.

As in ``analysis.votes``, answers judged correct are one class, an attempt without an answer cannot
win a vote, and ties are broken uniformly, in expectation.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.estimators import absent
from analysis.statistic import Statistic, over_replicates, without_noise
from analysis.table import Cell
from analysis.votes import dense

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SLACK = 1e-9
_CHUNK = 2_000_000


def pool_choices(cell: Cell) -> dict[str, Statistic]:
    """best_of_n, weighted_vote: of N attempts of a parallel pool, where they carry the numbers."""
    problems, replicates, steps = cell.correct.shape
    correct = cell.correct.reshape(problems, -1)
    codes = cell.answer.reshape(problems, -1)
    marks = {name: values.reshape(problems, -1) for name, values in cell.marks.items()}
    found = {}
    if "score" in marks:
        found["best_of_n"] = best_of_curve(marks["score"], correct, steps)[:, -1]
    if "weight" in marks:
        found["weighted_vote"] = weighted_majority(codes, correct, marks["weight"], steps)[0]
    return {name: without_noise(values, replicates=replicates) for name, values in found.items()}


def chain_choices(cell: Cell) -> dict[str, Statistic]:
    """best_of_n, weighted_vote: of all N attempts of each chain, where they carry the numbers."""
    shape = cell.correct.shape
    correct, codes = cell.correct.reshape(-1, shape[2]), cell.answer.reshape(-1, shape[2])
    marks = {name: values.reshape(-1, shape[2]) for name, values in cell.marks.items()}
    found = {}
    if "score" in marks:
        found["best_of_n"] = best_of_curve(marks["score"], correct, shape[2])[:, -1]
    if "weight" in marks:
        found["weighted_vote"] = weighted_chain_votes(codes, correct, marks["weight"])[:, -1]
    return {name: over_replicates(values.reshape(shape[:2])) for name, values in found.items()}


def best_of_curve(scores: Floats, correct: Floats, steps: int) -> Floats:
    """Expected grade of the best-scored of k attempts drawn without replacement; [row, steps].

    sum_i y_(i) C(i-1, k-1) / C(n, k) over the attempts in ascending order of score, y averaged
    inside score ties. scores, correct: [row, attempt]; an attempt whose score or grade is NaN is
    left out. NaN where fewer than k are left.
    """
    known = ~(np.isnan(scores) | np.isnan(correct))
    order = np.argsort(np.where(known, scores, np.inf), axis=1, kind="stable")
    ranked = np.take_along_axis(np.where(known, scores, np.nan), order, axis=1)
    grades = _mean_of_ties(ranked, np.take_along_axis(correct, order, axis=1))
    n = known.sum(axis=1)[:, None, None]
    rank = np.arange(1, scores.shape[1] + 1)[None, :, None]
    k = np.arange(1, steps + 1)[None, None, :]
    within = absent(n, np.maximum(n - rank, 0), k)
    below = absent(n, np.minimum(n - rank + 1, n), k)
    best = np.where(rank <= n, within - below, 0.0)
    return np.einsum("ra,rak->rk", np.where(rank <= n, grades[:, :, None], 0.0)[:, :, 0], best)


def _mean_of_ties(ranked: Floats, grades: Floats) -> Floats:
    """Each grade replaced by the mean over the attempts of its row with the same score."""
    new = np.ones_like(ranked, dtype=bool)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]  # NaN differs from NaN: left out in the end
    group = np.cumsum(new.ravel()) - 1
    mean = np.bincount(group, grades.ravel()) / np.bincount(group)
    return mean[group].reshape(grades.shape)


def inverse_entropy(entropy: Floats) -> Floats:
    """Weights of the inverse-entropy vote: 1 / mean token entropy (arXiv 2511.02309).

    An entropy of 0 would outweigh everything: at least 1e-6 nats are assumed.
    """
    return 1.0 / np.maximum(entropy, 1e-6)


def weighted_chain_votes(codes: Integers, correct: Floats, weights: Floats) -> Floats:
    """Expected weighted vote of the first k attempts of each chain; [chain, step].

    codes: [chain, step], negative = no answer; correct: 1, 0 or NaN; weights >= 0, one per
    attempt. NaN from the first NaN of grade or weight on.
    """
    classes, valid = _classes(codes, correct)
    known = ~(np.isnan(correct) | np.isnan(weights))
    chains, steps = codes.shape
    index = np.arange(chains)
    sums, right = np.zeros((chains, steps)), np.zeros((chains, steps), dtype=bool)
    votes = np.zeros((chains, steps))
    for step in range(steps):
        counted = valid[:, step] & known[:, step]
        sums[index, classes[:, step]] += np.where(counted, weights[:, step], 0.0)
        right[index, classes[:, step]] |= correct[:, step] == 1
        votes[:, step] = _share_of_top(sums, right)
    return np.where(np.logical_and.accumulate(known, axis=1), votes, np.nan)


def weighted_majority(
    codes: Integers, correct: Floats, weights: Floats, k: int, draws: int = 1000, seed: int = 0
) -> tuple[Floats, Floats]:
    """Expected weighted vote of k attempts of a pool, and its Monte Carlo error; each [row].

    No closed form: ``draws`` k-subsets without replacement. The subsets depend on the seed and on
    the number of attempts alone, so no row depends on another. Attempts are [row, attempt] as in
    ``weighted_chain_votes``; rows with an unknown grade or weight, or fewer than k attempts, are
    NaN.
    """
    classes, valid = _classes(codes, correct)
    known = ~(np.isnan(correct) | np.isnan(weights)).any(axis=1)
    rows, n = codes.shape
    if k > n:
        return np.full(rows, np.nan), np.full(rows, np.nan)
    subsets = np.argsort(np.random.default_rng([seed, n]).random((draws, n)), axis=1)[:, :k]
    counted = np.where(valid & ~np.isnan(weights), weights, 0.0)
    votes = np.concatenate(
        [
            _votes_of_subsets(classes[part], counted[part], correct[part] == 1, subsets)
            for part in np.array_split(np.arange(rows), 1 + rows * draws * n // _CHUNK)
        ]
    )
    means, errors = votes.mean(axis=1), votes.std(axis=1, ddof=1) / draws**0.5
    return np.where(known, means, np.nan), np.where(known, errors, np.nan)


def _votes_of_subsets(
    classes: Integers, weights: Floats, right: NDArray[np.bool_], subsets: Integers
) -> Floats:
    rows, n = classes.shape
    draws, k = subsets.shape
    drawn = classes[:, subsets].reshape(rows * draws, k)
    cells = (drawn + n * np.arange(rows * draws)[:, None]).ravel()
    size = rows * draws * n
    sums = np.bincount(cells, weights[:, subsets].ravel(), size)
    hits = np.bincount(cells, right[:, subsets].ravel(), size) > 0
    return _share_of_top(sums.reshape(-1, n).astype(float), hits.reshape(-1, n)).reshape(
        rows, draws
    )


def _share_of_top(sums: Floats, right: NDArray[np.bool_]) -> Floats:
    """1 over the number of tied winners where the right class is one of them; [..., class]."""
    top = sums.max(axis=-1, keepdims=True)
    tied = (sums >= top * (1 - _SLACK)) & (top > 0)
    return (tied & right).any(axis=-1) / np.maximum(tied.sum(axis=-1), 1)


def _classes(codes: Integers, correct: Floats) -> tuple[Integers, NDArray[np.bool_]]:
    return dense(np.where(correct == 1, np.iinfo(np.int64).max, codes)), (codes >= 0) | (
        correct == 1
    )
