"""The early-stopping rule on the records of a run: what is decided, and what is asked for next.

Everything follows from the records and the order of the problems, so that a run that was cut off
goes on, and is analysed, as if it had not been.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells import chain_statistics, parallel_statistics
from analysis.config import AUC, AnalysisConfig
from analysis.intervals import Interval
from analysis.matching import auc_contrast
from analysis.numbers import Json
from analysis.statistic import Statistic, without_noise
from analysis.stopping import Decision, decide, repeated_interval
from analysis.stopping_rule import StoppingRule
from analysis.study import PARALLEL, SEQUENTIAL, parallel_level
from analysis.table import Cell, build_table
from sample.records import Attempt

Orders = Mapping[str, Sequence[str]]
"""Family -> its problems as ``monitoring_order`` gives them, the order they are sampled in."""


@dataclass(frozen=True)
class Watch:
    """A family under the stopping rule.

    order: its problems. asked: how many of the first of them are wanted so far, in every arm of
    every system; once the decision stops, how many it rests on, ungraded ones included.
    finished: how many the base has.
    """

    rule: StoppingRule
    order: tuple[str, ...]
    decision: Decision
    asked: int
    finished: int

    @property
    def early(self) -> bool:
        """Whether the rule ended sampling before the last problem."""
        return self.decision.stop and self.finished < len(self.order)

    def interval(self, contrast: Statistic, alpha: float, problems: Sequence[str]) -> Interval:
        """The repeated interval of a contrast, whose values are those of ``problems``."""
        place = {name: i for i, name in enumerate(problems)}
        wanted = [place[name] for name in self.order[: self.asked] if name in place]
        values = contrast.values[wanted]
        ordered = without_noise(values, contrast.low, contrast.high, contrast.replicates)
        return repeated_interval(ordered, self.rule, self.decision.look, alpha)


def watch_all(
    attempts: Iterable[Attempt],
    orders: Orders,
    config: AnalysisConfig,
    *,
    steps: int,
    replicates: int,
    adapted: bool = False,
) -> dict[str, Watch]:
    """Every family of the orders, on the gap of the base under the family's primary aggregator.

    adapted: see ``analysis.stopping.decide``.

    Raises:
        UsageError: no rule is set, or one that does not fit the number of problems.
    """
    records = [a for a in attempts if a.system == config.base and a.arm in (PARALLEL, SEQUENTIAL)]
    return {
        family: watch(
            [attempt for attempt in records if attempt.family == family],
            order,
            config.rule(len(order)),
            aggregator=config.aggregator(family),
            steps=steps,
            replicates=replicates,
            adapted=adapted,
        )
        for family, order in orders.items()
    }


def watch(
    attempts: Iterable[Attempt],
    order: Sequence[str],
    rule: StoppingRule,
    *,
    aggregator: str,
    steps: int,
    replicates: int,
    adapted: bool = False,
) -> Watch:
    """What the gap of one system on one family decides so far.

    attempts: of that system and family. A problem is finished once all its attempts, ``steps`` x
    ``replicates`` of both arms, have a record; finished ones whose gap is not known (not graded)
    are left out of what is watched, and as many more are asked for.
    """
    gap, finished = _in_order(list(attempts), order, aggregator, steps, replicates)
    prefix = int(np.logical_and.accumulate(finished).sum())
    known = np.flatnonzero(gap.known[:prefix])
    watched = without_noise(gap.values[known], gap.low, gap.high, gap.replicates)
    decision = decide(watched, rule, complete=prefix == len(order), adapted=adapted)
    if decision.answer is not None and decision.stop:
        asked = int(known[decision.used - 1]) + 1
    else:
        asked = min(prefix + rule.next_size(decision.used) - len(known), len(order))
    return Watch(rule, tuple(order), decision, asked, int(finished.sum()))


def stopping_json(watch: Watch) -> Json:
    """What a rule decided, and how the other numbers of the family are then to be read."""
    found = vars(watch.decision)
    sizes = {"available": len(watch.order), "asked": watch.asked}
    return {**sizes, **found, "sentence": watch.decision.sentence, "caution": _caution(watch)}


def _caution(watch: Watch) -> str | None:
    if not watch.decision.stop:
        return "Sampling goes on: the ordinary intervals hold for no decision to stop it."
    if not watch.early:
        return None
    return (
        f"Sampling stopped early, after {watch.asked} of {len(watch.order)} problems, so the "
        "ordinary estimates are biased towards what was decided, and their intervals and p values "
        "are too sure; the interval of this decision and the verdicts hold at every look."
    )


def sample_until_decided(
    watch_now: Callable[[], Mapping[str, Watch]],
    make: Callable[[Mapping[str, int]], None],
    say: Callable[[str], None],
) -> dict[str, int]:
    """Sample the base up to look after look; gives how many problems of each family that took.

    watch_now: reads the records. make: makes what the first problems of each family, so many, still
    lack; a family that is decided asks for no more. say: told every decision.
    """
    watched, told = watch_now(), {}
    while True:
        make({family: found.asked for family, found in watched.items()})
        watched = watch_now()
        for family, found in watched.items():
            if told.get(family) != found.decision:
                say(f"{family}: {found.decision.sentence}")
            told[family] = found.decision
        if all(found.decision.stop for found in watched.values()):
            return {family: found.asked for family, found in watched.items()}


def _in_order(
    attempts: list[Attempt],
    order: Sequence[str],
    aggregator: str,
    steps: int,
    replicates: int,
) -> tuple[Statistic, NDArray[np.bool_]]:
    """The gap in the order of sampling, NaN where not known, and which problems are finished."""
    nothing = without_noise(np.full(len(order), np.nan), -1.0), np.zeros(len(order), dtype=bool)
    if {attempt.arm for attempt in attempts} != {PARALLEL, SEQUENTIAL}:
        return nothing
    table = build_table(attempts, steps)
    (family,) = table.problems
    cells = {arm: cell for (_, _, arm), cell in table.cells.items()}
    parallel, sequential = (cells[arm] for arm in (PARALLEL, SEQUENTIAL))
    gap = _gap(parallel, sequential, aggregator)
    done = _finished(parallel, steps * replicates) & _finished(sequential, steps * replicates)
    place = {name: i for i, name in enumerate(table.problems[family])}
    places = [place.get(name) for name in order]
    values = [np.nan if i is None else gap.values[i] for i in places]
    finished = np.array([i is not None and done[i] for i in places], dtype=bool)
    return without_noise(np.array(values), gap.low, gap.high, gap.replicates), finished


def _gap(parallel: Cell, sequential: Cell, aggregator: str) -> Statistic:
    if aggregator in AUC:
        return auc_contrast(parallel, sequential, (PARALLEL, SEQUENTIAL), aggregator)
    level = parallel_level(parallel_statistics(parallel), aggregator)
    return level - chain_statistics(sequential).levels[aggregator]


def _finished(cell: Cell, attempts: int) -> NDArray[np.bool_]:
    return (cell.finish >= 0).sum(axis=(1, 2)) >= attempts
