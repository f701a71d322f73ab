"""How widely attempts explore: diversity of a pool, memory of a chain, growth of coverage.

Chains are no independent draws: entropy and missing mass are for a parallel pool, the agreement
of chains is taken across chains at one step.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, hyp2f1

from analysis.votes import dense

Floats = NDArray[np.float64]
Integers = NDArray[np.signedinteger]

FEWEST_FOR_ENTROPY = 32
_NODES = 64
_PERMUTATIONS = 20
_ELEMENTS = 200_000


def entropy(counts: Integers) -> Floats:
    """Shannon entropy in nats of each row of answer counts, after Chao, Wang & Jost 2013.

    The plug-in part that is unbiased, plus an estimate of what unseen answers add. From 32
    attempts on its bias is small (about .01 nats where one answer has .6, about -.15 where a
    hundred answers follow Zipf's law); below 32, NaN: no estimator is good there.
    """
    n = counts.sum(axis=1)
    some, held = np.maximum(n, 1)[:, None], np.maximum(counts, 1)
    seen = (counts / some * (digamma(some) - digamma(held))).sum(axis=1)
    once, twice = ((counts == times).sum(axis=1) for times in (1, 2))
    return np.where(n >= FEWEST_FOR_ENTROPY, seen + _unseen(np.maximum(n, 2), once, twice), np.nan)


def _unseen(n: Integers, once: Integers, twice: Integers) -> Floats:
    """f1/n (1-A)^(1-n) (-log A - sum_{r<n} (1-A)^r / r), A the estimated share of a singleton.

    The bracket is the tail sum_{r>=n} (1-A)^r / r, a hypergeometric function once the power is
    taken in, which loses no digits to cancellation.
    """
    doubles = np.where(twice > 0, 2 * twice, 2)
    singles = np.where(twice > 0, once, np.maximum(once - 1, 0))
    share = doubles / ((n - 1) * singles + doubles)
    return once / n * _log_tail(n, 1 - share)


def _log_tail(n: Integers, x: Floats) -> Floats:
    """x^(1-n) sum_{r>=n} x^r / r for x in [0, 1): by its definition where little cancels."""
    near = -n * np.log(np.maximum(x, 1e-300)) < 3
    far = np.where(near, 0.0, x)
    value = far / n * hyp2f1(1, n, n + 1, far)
    for row in np.flatnonzero(near):
        r = np.arange(1, n[row])
        tail = -np.log1p(-x[row]) - (x[row] ** r / r).sum()
        value[row] = x[row] ** (1 - n[row]) * tail
    return value


def missing_mass(counts: Integers) -> Floats:
    """Chance that the last attempt's answer is new, f1 / n (Good 1953); NaN where n = 0.

    Unbiased for a last attempt; a little above the chance that one more would be new.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return (counts == 1).sum(axis=1) / counts.sum(axis=1)


def exhausted(counts: Integers, steps: int) -> Floats:
    """1 where the pool holds at most ``steps`` distinct answers, else 0; NaN for an empty pool."""
    return np.where(counts.any(axis=1), (counts > 0).sum(axis=1) <= steps, np.nan)


def chain_collision(codes: Integers) -> Floats:
    """Chance that two chains give the same answer at the same step, mean over steps; [problem].

    codes: [problem, chain, step], negative = no answer (agrees with nothing). Chains are
    independent draws, so this is unbiased; NaN with one chain.
    """
    problems, chains, steps = codes.shape
    if chains < 2:
        return np.full(problems, np.nan)
    ordered = np.sort(codes.transpose(0, 2, 1).reshape(-1, chains), axis=1)
    # the p-th of a run of equal answers closes p - 1 pairs
    pairs = np.where(ordered >= 0, _places_in_runs(ordered) - 1, 0).sum(axis=1)
    return pairs.reshape(problems, steps).mean(axis=1) / (chains * (chains - 1) / 2)


def _places_in_runs(ordered: Integers) -> Integers:
    """1, 2, 3, ... within each run of equal values of a row."""
    index = np.arange(ordered.shape[1], dtype=np.int32)
    starts = np.zeros(ordered.shape, dtype=np.int32)
    np.multiply(ordered[:, 1:] != ordered[:, :-1], index[1:], out=starts[:, 1:])
    return index - np.maximum.accumulate(starts, axis=1) + 1


def step_information(codes: Integers, seed: int = 0) -> Floats:
    """Nats that an attempt's answer tells about the next, beyond chance; [problem].

    Plug-in mutual information of the pairs (a_j, a_j+1) of all chains of a problem, less its mean
    over permutations of the problem's attempts over chains and steps, which is what independent
    draws of the same answers give: the plug-in alone is far too large. About 0 for independent
    attempts; 0 as well where every attempt gives the same answer, however strongly anchored.

    codes: [problem, chain, step]; pairs with a negative code (no answer) do not count. NaN with
    one step. The permutations are the same for every problem.
    """
    problems, chains, steps = codes.shape
    if steps < 2:
        return np.full(problems, np.nan)
    rng = np.random.default_rng([seed, 3])
    orders = [rng.permutation(chains * steps) for _ in range(_PERMUTATIONS)]
    flat = codes.reshape(problems, -1)
    # small numbers, so that the codes of pairs stay small and 32-bit sorts suffice
    flat = np.where(flat >= 0, dense(flat), -1).astype(np.int32)
    size = max(1, _ELEMENTS // flat.shape[1])
    return np.concatenate(
        [
            _excess(flat[start : start + size], (chains, steps), orders)
            for start in range(0, problems, size)
        ]
    )


def _excess(flat: Integers, shape: tuple[int, int], orders: list[Integers]) -> Floats:
    def information(values: Integers) -> Floats:
        return _pair_information(values.reshape(-1, *shape))

    chance = sum(information(flat[:, order]) for order in orders)
    return information(flat) - chance / len(orders)


def _pair_information(codes: Integers) -> Floats:
    left, right = (c.reshape(len(codes), -1) for c in (codes[:, :, :-1], codes[:, :, 1:]))
    paired = (left >= 0) & (right >= 0)
    left, right = np.where(paired, left, -1), np.where(paired, right, -1)
    joint = np.where(paired, left * (int(codes.max(initial=0)) + 1) + right, -1)
    return _plug_in(left) + _plug_in(right) - _plug_in(joint)


def _plug_in(codes: Integers) -> Floats:
    """Plug-in entropy of each row, negative codes left out; 0 for an empty row."""
    ordered = np.sort(codes, axis=1)
    r = np.arange(ordered.shape[1] + 1)
    # summed along a run of length c, r log r - (r - 1) log (r - 1) is c log c
    growth = np.diff(r * np.log(np.maximum(r, 1)), prepend=0.0)
    given = ordered >= 0
    held = (growth[_places_in_runs(ordered)] * given).sum(axis=1)
    n = np.maximum(given.sum(axis=1), 1)
    return np.log(n) - held / n


def per_doubling(curve: Floats) -> Floats:
    """Mean growth of [..., k], k = 1..N, per doubling of k; NaN where N = 1."""
    steps = curve.shape[-1]
    if steps < 2:
        return np.full(curve.shape[:-1], np.nan)
    return (curve[..., -1] - curve[..., 0]) / np.log2(steps)


def log_area(curve: Floats) -> Floats:
    """Mean height of [..., k] over log2 k, k = 1..N (trapezoids); the value itself where N = 1."""
    k = np.log2(np.arange(1, curve.shape[-1] + 1))
    return np.trapezoid(curve, k, axis=-1) / k[-1] if len(k) > 1 else curve[..., 0]


def ideal_coverage(correct: Integers, others: Integers, n: Integers, steps: int) -> Floats:
    """Coverage of k draws that never repeat an answer, estimated from a pool; [row, steps].

    The explorer draws from the model's own answers, each time only among those it has not given
    yet, in proportion to their shares in the pool; of its k draws as many give no answer as among
    k attempts of the pool. This is how often the correct answer is among the first to appear when
    the pool is read in random order, so it is never below ``pass_at_k`` of the same pool.

    correct: [row] size of the correct class; others: [row, class] sizes of the wrong ones, 0 =
    none; n: [row] attempts, those without an answer included. NaN where n < k.

    Too low where the pool holds fewer distinct answers than k, as the explorer then runs out of
    answers that the model might still give (``exhausted``); else within .005 at pools from 16 on.
    benchmarks/exploration.py measures it, docs/exploration.md says what follows.
    """
    others = -np.sort(-others, axis=1)
    unique, inverse = np.unique(np.column_stack([n, correct, others]), axis=0, return_inverse=True)
    size = max(1, _ELEMENTS // (_NODES * steps))
    parts = [unique[i : i + size] for i in range(0, len(unique), size)]
    found = [_ideal(p[:, 0], p[:, 1], p[:, 2:], steps) for p in parts]
    return np.concatenate(found)[inverse.ravel()] if found else np.empty((0, steps))


def _ideal(n: Integers, correct: Integers, others: Integers, steps: int) -> Floats:
    """Mixes the chances after d answered draws by how many of k draws are answered."""
    given = (correct + others.sum(axis=1))[:, None]
    early = _among_first(correct, others, steps)
    drawn = np.arange(steps + 1)
    answered = (drawn == 0) * np.ones((len(n), 1))
    curve = np.full((len(n), steps), np.nan)
    for k in range(min(steps, int(n.max()))):
        left = np.maximum(n - k, 1)[:, None]
        hit = np.clip((given - drawn) / left, 0.0, 1.0)
        moved = answered * hit
        answered = answered - moved
        answered[:, 1:] += moved[:, :-1]
        curve[:, k] = (answered * early).sum(axis=1)
    return np.where(n[:, None] <= np.arange(steps), np.nan, curve)


def _among_first(correct: Integers, others: Integers, steps: int) -> Floats:
    """Chance that the correct class is among the first d classes to appear; [row, d = 0..steps].

    In continuous time a class of size c first appears after an exponential time of rate c; the
    correct one is among the first d if fewer than d of the others are earlier. The integral over
    its time t is taken in log t, where the trapezoidal rule is good to 1e-7 at any sizes.
    """
    log_time = np.linspace(np.log(1e-8), np.log(25.0), _NODES)
    time = np.exp(log_time)
    weights = np.exp(log_time - time) / np.exp(log_time - time).sum()
    earlier = np.zeros((len(correct), _NODES, steps))
    earlier[:, :, 0] = 1.0
    ratios = others / np.maximum(correct, 1)[:, None]
    for slot in range(int((others > 0).sum(axis=1).max(initial=0))):
        rows = np.flatnonzero(others[:, slot] > 0)
        late = np.exp(-ratios[rows, slot][:, None] * time)[:, :, None]
        width = min(slot + 2, steps)
        part = earlier[rows, :, :width]
        moved = part * (1 - late)
        part *= late
        part[:, :, 1:] += moved[:, :, :-1]
        earlier[rows, :, :width] = part
    fewer = np.cumsum(np.einsum("q,rqd->rd", weights, earlier), axis=1)
    fewer = np.where(correct[:, None] > 0, fewer, 0.0)
    return np.concatenate([np.zeros((len(correct), 1)), fewer], axis=1)
