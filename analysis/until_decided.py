"""The early-stopping rule on the records of a run that is still being sampled."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.cells import chain_statistics, parallel_statistics
from analysis.statistic import Statistic, without_noise
from analysis.stopping import Decision, StoppingRule, decide
from analysis.study import PARALLEL, SEQUENTIAL, parallel_level
from analysis.table import Cell, build_table
from sample.records import Attempt


def decide_attempts(
    attempts: Iterable[Attempt],
    order: Sequence[str],
    rule: StoppingRule,
    *,
    system: str,
    aggregator: str,
    steps: int,
    replicates: int,
) -> Decision:
    """What the gap of one system on one family decides so far.

    attempts: of that family; others may be among them if their problems are not in ``order``.
    order: problems as ``monitoring_order`` gives them, the order in which they are sampled.
    A problem is finished once all its attempts, ``steps`` x ``replicates`` of both arms, have a
    record; finished ones whose gap is not known (not graded) are left out of the order.
    """
    wanted = set(order)
    records = [a for a in attempts if a.system == system and a.problem in wanted]
    arms = {arm: [a for a in records if a.arm == arm] for arm in (PARALLEL, SEQUENTIAL)}
    if not all(arms.values()):
        return decide(_nothing(), rule)
    table = build_table(records, steps)
    family = next(iter(table.problems))
    parallel, sequential = (table.cells[family, system, arm] for arm in arms)
    gap = (
        parallel_level(parallel_statistics(parallel), aggregator)
        - chain_statistics(sequential).levels[aggregator]
    )
    finished = _finished(parallel, steps * replicates) & _finished(sequential, steps * replicates)
    return decide(_in_order(gap, finished, table.problems[family], order), rule)


def _finished(cell: Cell, attempts: int) -> NDArray[np.bool_]:
    return (cell.present | cell.short).sum(axis=(1, 2)) >= attempts


def _in_order(
    gap: Statistic, finished: NDArray[np.bool_], problems: Sequence[str], order: Sequence[str]
) -> Statistic:
    """The contrast in the order of sampling; a problem that is not finished is not known."""
    place = {name: i for i, name in enumerate(problems)}
    places = [place.get(name) for name in order]
    kept = [i for i in places if i is None or not finished[i] or gap.known[i]]
    values = [gap.values[i] if i is not None and finished[i] else np.nan for i in kept]
    return without_noise(np.array(values, dtype=float), gap.low, gap.high, gap.replicates)


def _nothing() -> Statistic:
    return without_noise(np.empty(0), -1.0)
