"""Plurality votes with ties broken uniformly, exactly; no Monte Carlo.

Answers judged correct form one class. An attempt without an answer abstains: it uses up a draw and
cannot win. Where all abstain the vote is wrong.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sample.errors import ForageError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROWS_AT_ONCE = 256


@lru_cache(maxsize=8)
def _binomials(n: int, k: int) -> Floats:
    """Pascal's triangle [0..n, 0..k]."""
    table = np.zeros((n + 1, k + 1))
    table[:, 0] = 1
    with np.errstate(over="ignore"):
        for row in range(1, n + 1):
            table[row, 1:] = table[row - 1, 1:] + table[row - 1, :-1]
    if not np.isfinite(table).all():
        raise ForageError(
            f"majority vote: C({n}, {k}) is too large; use fewer than 1,000 parallel attempts "
            "per problem, or a smaller N"
        )
    return table


def majority_curve(correct: Integers, others: Integers, n: Integers, steps: int) -> Floats:
    """maj@k for k = 1..steps: expected vote of k attempts drawn without replacement from n.

    The mean over all k-subsets of 1[the plurality answer is correct], a U-statistic:
    sum over t of C(c,t) [x^(k-t)] of the integral over y in (0,1) of
    prod_a (sum_{j<t} C(a,j) x^j + y C(a,t) x^t), over C(n,k); the integral of y^s is 1/(s+1),
    the share of an (s+1)-fold tie, and Gauss-Legendre quadrature of it is exact.

    correct: [row] size of the correct class; others: [row, class] sizes of the wrong ones;
    n: [row] attempts, those without an answer included. Returns [row, steps], NaN where n < k.
    """
    others = -np.sort(-others, axis=1)
    keys = np.column_stack([n, correct, others])
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    parts = [
        _curve(part[:, 0], part[:, 1], part[:, 2:], steps)
        for part in np.array_split(unique, 1 + len(unique) // _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)[inverse.ravel()]


def _curve(n: Integers, correct: Integers, others: Integers, steps: int) -> Floats:
    choose = _binomials(max(int(n.max(initial=0)), 1), steps)
    wins = np.zeros((len(n), steps + 1))
    for votes in range(1, min(int(correct.max(initial=0)), steps) + 1):
        rows = np.flatnonzero(correct >= votes)
        rest = _not_beaten(votes, others[rows], (n - correct)[rows], choose[:, : steps + 1 - votes])
        wins[rows, votes:] += choose[correct[rows], votes][:, None] * rest
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(choose[n] > 0, wins / choose[n], np.nan)[:, 1:]


def _not_beaten(votes: int, others: Integers, rest: Integers, choose: Floats) -> Floats:
    """Ways to draw m other attempts with no class above ``votes``, ties weighted; [row, m]."""
    rivals = (others >= votes).sum(axis=1)
    nodes, weights = _quadrature(int(rivals.max(initial=0)))
    # classes smaller than ``votes`` and abstentions cannot tie: together they are one binomial
    free = rest - (others * (others >= votes)).sum(axis=1)
    ways = np.repeat(choose[free][:, None, :], len(nodes), axis=1)
    for slot in range(int(rivals.max(initial=0))):
        rows = np.flatnonzero(rivals > slot)
        ways[rows] = _times(ways[rows], others[rows, slot], votes, nodes, choose)
    return np.einsum("q,rqm->rm", weights, ways)


@lru_cache(maxsize=64)
def _quadrature(degree: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1) / 2, weights / 2


def _times(ways: Floats, size: Integers, votes: int, nodes: Floats, choose: Floats) -> Floats:
    """``ways`` times the polynomial of one rival class, [row, node, m]."""
    width = ways.shape[2]
    product = np.zeros_like(ways)
    for drawn in range(min(votes, width - 1) + 1):
        tied = nodes if drawn == votes else np.ones_like(nodes)
        factor = choose[size, drawn][:, None] * tied
        product[:, :, drawn:] += factor[:, :, None] * ways[:, :, : width - drawn]
    return product


def chain_votes(codes: Integers, correct: Floats) -> Floats:
    """Expected vote of the first k attempts of each chain, k = 1..N; [chain, step].

    codes: [chain, step], negative = no answer; correct: 1, 0 or NaN. NaN from the first NaN on.
    """
    classes = dense(np.where(correct == 1, np.iinfo(np.int64).max, codes))
    valid = (codes >= 0) | (correct == 1)
    chains, steps = codes.shape
    index = np.arange(chains)
    counts = np.zeros((chains, steps), dtype=np.int64)
    top, tied, right = (np.zeros(chains, dtype=np.int64) for _ in range(3))
    votes = np.zeros((chains, steps))
    for step in range(steps):
        counts[index, classes[:, step]] += valid[:, step]
        now = np.where(valid[:, step], counts[index, classes[:, step]], 0)
        tied = np.where(now > top, 1, tied + ((now == top) & (now > 0)))
        top = np.maximum(top, now)
        right += correct[:, step] == 1
        votes[:, step] = ((right == top) & (top > 0)) / np.maximum(tied, 1)
    return np.where(np.maximum.accumulate(np.isnan(correct), axis=1), np.nan, votes)


def dense(codes: Integers) -> Integers:
    """Codes renumbered 0.. within each row."""
    order = np.argsort(codes, axis=1, kind="stable")
    ordered = np.take_along_axis(codes, order, axis=1)
    new = np.zeros_like(ordered)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    dense = np.empty_like(ordered)
    np.put_along_axis(dense, order, np.cumsum(new, axis=1), axis=1)
    return dense
