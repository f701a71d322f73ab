"""What attempts cost: cumulative cost of the first k attempts of an arm, per problem.

Four costs, in tokens per problem: ``generated`` (thinking and answer, what peers mostly use),
``total`` (with every prompt computed anew), ``cached`` (total less the prompt tokens served from
a cache) and ``latency`` (the critical path: generated tokens that must follow each other).
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from analysis.cells import over_each_step
from analysis.table import Cell

Floats = NDArray[np.float64]

COSTS = ("generated", "total", "cached", "latency")


def attempt_costs(cell: Cell, cost: str) -> Floats:
    """[problem, replicate, step] tokens of each attempt alone; NaN where not known.

    A failed call without counts costs what the record says, 0 too: it was not paid.
    """
    tokens = cell.tokens
    generated = tokens["thinking"] + tokens["answer"]
    if cost in ("generated", "latency"):
        return generated
    total = tokens["prompt"] + generated
    return total - tokens["cached"] if cost == "cached" else total


def chain_costs(cell: Cell, cost: str) -> Floats:
    """[problem, k] expected cost of the first k attempts of a chain, one after the other."""
    return over_each_step(attempt_costs(cell, cost).cumsum(axis=2))


def pool_costs(cell: Cell, cost: str, steps: int) -> Floats:
    """[problem, k] expected cost of k = 1..steps independent attempts drawn from all of a problem.

    Latency is the longest of them, an order statistic: sum over the sorted costs of
    y_(i) C(i-1, k-1) / C(n, k). NaN where a problem has fewer than k attempts of known cost.
    Under a budget of tokens: of the first k of each group, or as many as it allows.
    """
    if cell.short.any():
        grown = np.maximum.accumulate if cost == "latency" else np.cumsum
        return over_each_step(grown(attempt_costs(cell, cost), axis=2))
    flat = attempt_costs(cell, cost).reshape(len(cell.correct), -1)
    k = np.arange(1, steps + 1)
    known = (~np.isnan(flat)).sum(axis=1)
    if cost == "latency":
        return expected_maximum(flat, steps)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(flat, axis=1) / known
    return np.where(known[:, None] >= k, mean[:, None] * k, np.nan)


def expected_maximum(values: Floats, steps: int) -> Floats:
    """[row, k] unbiased expected maximum of k = 1..steps values drawn without replacement.

    values: [row, draw], NaN = none. NaN where a row has fewer than k values.
    """
    ordered = np.sort(values, axis=1)  # NaN last
    known = (~np.isnan(values)).sum(axis=1)
    curve = np.full((len(values), steps), np.nan)
    for size in np.unique(known):
        rows = known == size
        for k in range(1, min(int(size), steps) + 1):
            curve[rows, k - 1] = ordered[rows, :size] @ _weights(int(size), k)
    return curve


def _weights(n: int, k: int) -> Floats:
    """Chance that the i-th smallest of n is the largest of k drawn from them."""
    rank = np.arange(k, n + 1)
    log = gammaln(rank) - gammaln(k) - gammaln(rank - k + 1)
    log -= gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.concatenate([np.zeros(k - 1), np.exp(log)])


def select_replicates(cell: Cell, keep: NDArray[np.bool_]) -> Cell:
    """The same cell with some of its replicates."""
    return replace(
        cell,
        correct=cell.correct[:, keep],
        answer=cell.answer[:, keep],
        present=cell.present[:, keep],
        finish=cell.finish[:, keep],
        tokens={kind: values[:, keep] for kind, values in cell.tokens.items()},
    )
