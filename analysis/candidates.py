"""Ways to spend attempts: width x depth x system x aggregator, each valued on every problem.

Width is how many independent attempts or chains, depth how many attempts each chain has. All are
read off one run: parallel attempts form a pool in which every subset counts, and chains are
exchangeable with each other, so W of R chains are valued over all subsets too.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis import chains, estimators, votes
from analysis.budgets import attempt_costs, expected_maximum, pool_costs
from analysis.cells import parallel_statistics
from analysis.study import PARALLEL
from analysis.table import Cell, CellKey

Floats = NDArray[np.float64]

AGGREGATORS = ("majority", "last", "coverage")
_MOST_SUBSETS = 24


@dataclass(frozen=True)
class Candidate:
    """aggregator: "majority" of all attempts, "last" = majority of the chains' last ones, or
    "coverage" = a verifier picks a correct one if there is any."""

    system: str
    arm: str
    width: int
    depth: int
    aggregator: str

    @property
    def label(self) -> str:
        """The candidate in words, e.g. ``2 chains of 4 (sequential), base, majority``."""
        if self.depth == 1:
            shape = f"{self.width} parallel" if self.width > 1 else "1 attempt"
        else:
            shape = f"{self.width} chain{'s' * (self.width > 1)} of {self.depth} ({self.arm})"
        votes_matter = self.width * self.depth > 1
        return f"{shape}, {self.system}" + f", {self.aggregator}" * votes_matter


@dataclass(frozen=True)
class Valued:
    """value: share solved, cost: tokens; [problem, candidate], NaN where not known."""

    candidates: tuple[Candidate, ...]
    value: Floats
    cost: Floats

    def only(self, problems: NDArray[np.bool_]) -> "Valued":
        return replace(self, value=self.value[problems], cost=self.cost[problems])


def value_candidates(
    cells: Mapping[CellKey, Cell],
    family: str,
    arms: Sequence[str],
    aggregators: Sequence[str],
    cost: str,
) -> Valued:
    """Every candidate that the records of a family can value."""
    rows = [
        row
        for (name, system, arm), cell in sorted(cells.items())
        if name == family and arm in arms
        for row in _of_cell(cell, system, arm, aggregators, cost)
    ]
    if not rows:
        return Valued((), np.empty((0, 0)), np.empty((0, 0)))
    found, values, costs = zip(*rows, strict=True)
    return Valued(tuple(found), np.column_stack(values), np.column_stack(costs))


Rows = Iterator[tuple[Candidate, Floats, Floats]]


def _of_cell(cell: Cell, system: str, arm: str, aggregators: Sequence[str], cost: str) -> Rows:
    if arm == PARALLEL:
        yield from _pool(cell, system, aggregators, cost)
        return
    attempts = attempt_costs(cell, cost).cumsum(axis=2)
    # one deep is what the parallel arm is for
    for depth in range(2, cell.correct.shape[2] + 1):
        for width in range(1, cell.correct.shape[1] + 1):
            price = _price(attempts[:, :, depth - 1], width, cost)
            for aggregator in aggregators:
                value = _VALUES[aggregator](cell, width, depth)
                yield Candidate(system, arm, width, depth, aggregator), value, price


def _pool(cell: Cell, system: str, aggregators: Sequence[str], cost: str) -> Rows:
    """Widths of one deep: "last" is then the majority, and is not listed again."""
    pool = _as_one_group(cell)
    steps = pool.correct.shape[2]
    curves = parallel_statistics(pool).curves
    price = pool_costs(pool, cost, steps)
    for aggregator in aggregators:
        if aggregator == "last" and "majority" in aggregators:
            continue
        value = curves["majority" if aggregator == "last" else aggregator]
        for width in _widths(steps):
            found = Candidate(system, PARALLEL, width, 1, aggregator)
            yield found, value[:, width - 1], price[:, width - 1]


def _widths(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, 16, ... and the most there are."""
    steps = (int(2**k * share) for k in range(1, 12) for share in (1, 1.5))
    return sorted({1, most} | {width for width in steps if width <= most})


def _as_one_group(cell: Cell) -> Cell:
    def flat(values: NDArray) -> NDArray:
        return values.reshape(len(values), 1, -1)

    return Cell(
        flat(cell.correct),
        flat(cell.answer),
        flat(cell.present),
        flat(cell.finish),
        {kind: flat(values) for kind, values in cell.tokens.items()},
    )


def _price(spent: Floats, width: int, cost: str) -> Floats:
    if cost == "latency":
        return expected_maximum(spent, width)[:, -1]
    known = (~np.isnan(spent)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known >= width, width * np.nansum(spent, axis=1) / known, np.nan)


def _covered(cell: Cell, width: int, depth: int) -> Floats:
    hit = chains.coverage_curve(cell.correct)[:, :, depth - 1]
    return estimators.pass_at_k((~np.isnan(hit)).sum(axis=1), (hit == 1).sum(axis=1), width)


def _voted_last(cell: Cell, width: int, depth: int) -> Floats:
    correct, answer = cell.correct[:, :, depth - 1], cell.answer[:, :, depth - 1]
    wrong = estimators.answer_counts(np.where(correct == 0, answer, -1))
    n = (~np.isnan(correct)).sum(axis=1)
    return votes.majority_curve((correct == 1).sum(axis=1), wrong, n, width)[:, -1]


def _voted(cell: Cell, width: int, depth: int) -> Floats:
    """The vote of all width x depth attempts, mean over the sets of chains (at most 24 of them)."""
    replicates = cell.correct.shape[1]
    sets = list(itertools.combinations(range(replicates), width))
    if len(sets) > _MOST_SUBSETS:
        order = np.random.default_rng([width, depth]).permutation(len(sets))
        sets = [sets[i] for i in order[:_MOST_SUBSETS]]
    problems = len(cell.correct)
    found = []
    for chosen in sets:
        answer = cell.answer[:, chosen, :depth].reshape(problems, -1)
        correct = cell.correct[:, chosen, :depth].reshape(problems, -1)
        found.append(votes.chain_votes(answer, correct)[:, -1])
    known = ~np.isnan(found)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(found, axis=0) / known.sum(axis=0)


_VALUES = {"coverage": _covered, "last": _voted_last, "majority": _voted}
