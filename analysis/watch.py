"""What the finished problems of one family decide under the early-stopping rule.

Everything follows from the records and the order of the problems, so that a run that was cut off
goes on, and is analysed, as if it had not been.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.config import PARALLEL, SEQUENTIAL, AnalysisConfig, SystemInfo
from analysis.decided import decided_verdicts
from analysis.inference import Bounds
from analysis.intervals import Interval
from analysis.statistic import Statistic, without_noise
from analysis.stopping import Decision, decide, repeated_interval
from analysis.stopping_rule import StoppingRule
from analysis.study import Study, build_study
from analysis.table import Table
from analysis.verdict import Terms

Systems = Mapping[str, SystemInfo]
"""The base, and the adapters that are watched beside it with the models they sit on."""


@dataclass(frozen=True)
class Look:
    """A look at the first problems of the order, ungraded ones included; number from 1, 0 = none
    yet."""

    rule: StoppingRule
    number: int
    first: tuple[str, ...]

    def bounds(self, problems: Sequence[str]) -> Bounds:
        """The repeated interval of any contrast whose values are those of ``problems``."""
        place = {name: i for i, name in enumerate(problems)}
        rows = [place[name] for name in self.first if name in place]

        def interval(contrast: Statistic, alpha: float) -> Interval:
            values = contrast.values[rows]
            ordered = without_noise(values, contrast.low, contrast.high, contrast.replicates)
            return repeated_interval(ordered, self.rule, self.number, alpha)

        return interval


@dataclass(frozen=True)
class Watch:
    """A family under the stopping rule.

    order: its problems. look: the one that decided, or the latest. decision: on the gap of the
    base. verdicts: adapter -> the verdict that is decided, None = open; {} where none is watched.
    asked: how many of the first problems are wanted so far, in every arm of every system.
    finished: how many all watched systems have.
    """

    order: tuple[str, ...]
    look: Look
    decision: Decision
    verdicts: Mapping[str, str | None]
    asked: int
    finished: int

    @property
    def early(self) -> bool:
        """Whether the rule ended sampling before the last problem."""
        return self.decision.stop and self.finished < len(self.order)

    @property
    def sentence(self) -> str:
        """What is decided of the base, then of the adapters."""
        decided = [f"{name} {said}" for name, said in self.verdicts.items() if said]
        left = [name for name, said in self.verdicts.items() if not said]
        until = "No problems are left to decide" if self.decision.stop else "It goes on for"
        said = [self.decision.sentence]
        said += [f"Verdicts decided: {', '.join(decided)}."] if decided else []
        said += [f"{until} {', '.join(left)}."] if left else []
        return " ".join(said)


def watch(
    table: Table,
    family: str,
    order: Sequence[str],
    config: AnalysisConfig,
    systems: Systems,
    attempts: int,
) -> Watch:
    """What the gap of the base and the verdicts on the adapters come to so far.

    attempts: of one arm on one problem. A problem is finished once both arms of every system have
    a record of all of them.

    Raises:
        UsageError: no rule is set, or one that does not fit the number of problems.
    """
    primary = config.aggregator(family)
    study = build_study(table, family, systems, config.base, primary, explored=False)
    finished = _finished(study, systems, attempts)
    return watch_study(study, finished, order, config, systems)


def watch_study(
    study: Study,
    finished: NDArray[np.bool_],
    order: Sequence[str],
    config: AnalysisConfig,
    systems: Systems,
) -> Watch:
    """As ``watch``. finished: [problem].

    Finished ones where a gap is not known (not graded) are left out of what is watched, and as many
    more are asked for.
    """
    primary, rule = config.aggregator(study.family), config.rule(len(order))
    gaps = {name: _gap(study, name, primary) for name in systems}
    place = {name: i for i, name in enumerate(study.problems)}
    rows = [place.get(name, len(place)) for name in order]
    done = np.append(finished, False)[rows]
    prefix = int(np.logical_and.accumulate(done).sum())
    shared = np.logical_and.reduce([gap.known for gap in gaps.values()])
    known = np.flatnonzero(np.append(shared, False)[rows][:prefix])
    judge = _Judge(study, systems, primary, rule, tuple(order), known)
    base = gaps[config.base]
    values = np.append(base.values, np.nan)[rows][known]
    watched = without_noise(values, base.low, base.high, base.replicates)
    decision = decide(watched, rule, prefix == len(order), judge.settled)
    look = judge.look(decision.look, decision.used)
    verdicts = judge.verdicts(look)
    decided = decision.stop and decision.answer is not None and all(verdicts.values())
    more = min(prefix + rule.next_size(decision.used) - len(known), len(order))
    asked = len(look.first) if decided else more
    return Watch(tuple(order), look, decision, verdicts, asked, int(done.sum()))


@dataclass(frozen=True)
class _Judge:
    """known: places in the order of the problems that count."""

    study: Study
    systems: Systems
    primary: str
    rule: StoppingRule
    order: tuple[str, ...]
    known: NDArray[np.int64]

    def look(self, number: int, used: int) -> Look:
        seen = int(self.known[used - 1]) + 1 if used else 0
        return Look(self.rule, number, self.order[:seen])

    def verdicts(self, look: Look) -> dict[str, str | None]:
        terms = Terms(self.rule.margin, self.rule.alpha, look.bounds(self.study.problems))
        return decided_verdicts(self.study, self.systems, self.primary, terms)

    def settled(self, number: int, used: int) -> bool:
        return all(self.verdicts(self.look(number, used)).values())


def _gap(study: Study, system: str, primary: str) -> Statistic:
    """NaN where an arm is missing."""
    nothing = without_noise(np.full(len(study.problems), np.nan), -1.0)
    return study.contrasts.get(("gap", system, primary), nothing)


def _finished(study: Study, systems: Systems, attempts: int) -> NDArray[np.bool_]:
    """[problem] Whether both arms of every system have so many attempts."""
    done = np.ones(len(study.problems), dtype=bool)
    for key in ((system, arm) for system in systems for arm in (PARALLEL, SEQUENTIAL)):
        cell = study.raw.get(key)
        made = 0 if cell is None else (cell.finish >= 0).sum(axis=(1, 2))
        done &= np.asarray(made) >= attempts
    return done
