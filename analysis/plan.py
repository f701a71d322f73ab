"""The plan of a study: how many problems and replicates each claim of the verdict needs."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from analysis.config import AnalysisConfig
from analysis.looks import Looks, design, expected_share
from analysis.pilot import Measured, Pilot, read_pilot, stated
from analysis.power import (
    MOST_PROBLEMS,
    Variances,
    detectable,
    drift,
    problems_needed,
    superiority,
)
from sample.errors import UsageError, need
from sample.records import Attempt

PROBLEMS = (30, 60, 125, 250, 500, 1000, 2000)
REPLICATES = (1, 2, 4, 8, 16)
LOOKS = 10
"""What is tabulated, and the looks of the early-stopping design where the config names none."""

_need = partial(need, of="plan")


@dataclass(frozen=True)
class PlanConfig:
    """power: wanted for each claim. gap: expected gap of the base, None = what the pilot found.

    closed: share of that gap which the adapter is expected to close; what is left must be below
    the margin for CLOSED to be in reach. available: how many problems there are, None = no limit.
    """

    power: float = 0.8
    gap: float | None = None
    closed: float = 1.0
    available: int | None = None

    def __post_init__(self) -> None:
        _need(0.5 <= self.power < 1, "--power", "a share from 0.5 to below 1", self.power)
        _need(0 < self.closed <= 1, "--closed", "a share above 0, at most 1", self.closed)
        gap, available = self.gap, self.available
        _need(gap is None or 0 < gap < 1, "--gap", "a share between 0 and 1, e.g. 0.1", gap)
        some = available is None or available >= 2
        _need(some, "--available", "at least 2 problems", available)


@dataclass(frozen=True)
class Claim:
    """One test of the verdict. effect: true distance from its threshold (<= 0: out of reach).

    sides: of the bound. measured: its variances. assumed: they are not of this contrast but
    derived from the gap's. careful: by their upper 80 % bound from the pilot.
    """

    name: str
    effect: float
    measured: Measured
    sides: int
    assumed: bool

    def power(self, n: int, replicates: int, alpha: float, careful: bool = False) -> float:
        sd = self.measured.at(replicates, careful)
        return superiority(self.effect, sd, n, alpha, self.sides)

    def needed(
        self, replicates: int, alpha: float, power: float, careful: bool = False
    ) -> int | None:
        sd = self.measured.at(replicates, careful)
        return problems_needed(self.effect, sd, alpha, power, self.sides)


@dataclass(frozen=True)
class Row:
    """One number of replicates. needed, cautious: claim -> problems, None = out of reach.

    verdict, careful: problems for all claims at once; attempts: what those of ``verdict`` cost in
    all four cells.
    power: claim -> power on the available problems, empty without that limit.
    """

    replicates: int
    needed: Mapping[str, int | None]
    cautious: Mapping[str, int | None]
    verdict: int | None
    careful: int | None
    attempts: int | None
    power: Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """One family. detectable: contrast -> replicates -> smallest gap (share) per problem count.

    early: the design of the looks; early_gap, early_none: expected share of the problems used
    where the gap is as planned, and where there is none.
    """

    family: str
    pilot: Pilot
    claims: tuple[Claim, ...]
    rows: tuple[Row, ...]
    problems: tuple[int, ...]
    detectable: Mapping[str, Mapping[int, tuple[float, ...]]]
    early: Looks
    early_gap: float
    early_none: float
    margin: float
    power: float
    advice: str
    warnings: tuple[str, ...]


def run_plan(
    attempts: Iterable[Attempt] | None,
    config: PlanConfig,
    analyze: AnalysisConfig,
    *,
    between: float | None = None,
    within: float | None = None,
    length: int = 8,
) -> list[Plan]:
    """A plan per family of a pilot's records, or one from stated variances of the gap.

    between, within: see ``power.Variances``; length: attempts N of a chain, if they are stated.

    Raises:
        UsageError: neither or both are given, an unusable pilot, or no gap to plan for.
    """
    if (attempts is None) == (between is None and within is None):
        raise UsageError("plan: give a pilot run folder, or --between and --within, not both")
    if attempts is None:
        pilots = [stated(between or 0.0, within or 0.0, length)]
    else:
        pilots = read_pilot(attempts, analyze)
    return [make_plan(pilot, config, analyze) for pilot in pilots]


def make_plan(pilot: Pilot, config: PlanConfig, analyze: AnalysisConfig) -> Plan:
    """The plan from the variances of one pilot; plans are for problems like these, by t tests."""
    measured, warnings = _complete(pilot)
    gap = config.gap if config.gap is not None else measured["gap"].estimate
    if not gap > 0:
        found = "no pilot estimate" if math.isnan(gap) else f"the pilot found {100 * gap:.1f}"
        raise UsageError(f"plan: {pilot.family}: no gap to plan for ({found}); state --gap 0.1")
    claims = _claims(pilot, measured, gap, config, analyze)
    replicates = (1,) if pilot.contrasts["gap"].single else REPLICATES
    rows = tuple(_row(r, claims, pilot.attempts, config, analyze) for r in replicates)
    looks = analyze.stopping.looks if analyze.stopping else LOOKS
    best = _cheapest(rows, config)
    early = design([k / looks for k in range(1, looks + 1)], analyze.alpha)
    return Plan(
        pilot.family,
        pilot,
        claims,
        rows,
        PROBLEMS,
        {
            name: _detectable(measured[name].variances, replicates, config, analyze)
            for name in ("gap", "did")
        },
        early,
        expected_share(early, drift(analyze.alpha, config.power)),
        expected_share(early, 0.0),
        analyze.margin,
        config.power,
        _advice(claims, rows, best, config),
        (*pilot.warnings, *warnings, *_doubts(measured, best)),
    )


def _complete(pilot: Pilot) -> tuple[dict[str, Measured], list[str]]:
    """Contrasts the pilot lacks, from the gap: two independent gaps of equal variance."""
    gap = pilot.contrasts["gap"]
    measured, warnings = dict(pilot.contrasts), []
    if "did" not in measured:
        measured |= {"did": gap.scaled(2.0), "parallel_change": gap.scaled(1.0)}
        warnings.append(
            "no adapter in the pilot: the change of the gap is given twice the gap's variance "
            "(as if the two gaps were independent), parallel's own change the gap's variance"
        )
    if 0 < gap.problems < 50:
        warnings.append(
            f"the variances rest on {gap.problems} problems; 50 with 4 replicates would do better"
        )
    return measured, warnings


def _claims(
    pilot: Pilot,
    measured: Mapping[str, Measured],
    gap: float,
    config: PlanConfig,
    analyze: AnalysisConfig,
) -> tuple[Claim, ...]:
    left = (1 - config.closed) * gap
    wanted = (
        ("gap", "gap", gap, 2),
        ("shrank", "did", gap - left, 2),
        ("closed", "gap", analyze.margin - left, 1),
        ("no damage", "parallel_change", analyze.margin, 1),
    )
    return tuple(
        Claim(
            name,
            effect,
            measured[source],
            sides,
            source not in pilot.contrasts,
        )
        for name, source, effect, sides in wanted
    )


def _row(
    replicates: int,
    claims: Sequence[Claim],
    attempts: int,
    config: PlanConfig,
    analyze: AnalysisConfig,
) -> Row:
    verdict, careful = (
        joint_problems(claims, replicates, analyze.alpha, config.power, careful)
        for careful in (False, True)
    )
    available = config.available
    return Row(
        replicates,
        {c.name: c.needed(replicates, analyze.alpha, config.power) for c in claims},
        {c.name: c.needed(replicates, analyze.alpha, config.power, careful=True) for c in claims},
        verdict,
        careful,
        None if verdict is None else 4 * verdict * replicates * attempts,
        {c.name: c.power(available, replicates, analyze.alpha) for c in claims}
        if available
        else {},
    )


def joint_problems(
    claims: Sequence[Claim], replicates: int, alpha: float, power: float, careful: bool = False
) -> int | None:
    """The fewest problems at which all claims hold together with this chance, at least.

    1 - sum of (1 - power) bounds the joint power whatever the dependence. None: out of reach.
    """
    strict = 1 - (1 - power) / len(claims)
    least = [claim.needed(replicates, alpha, power, careful) for claim in claims]
    most = [claim.needed(replicates, alpha, strict, careful) for claim in claims]
    if None in least or None in most:
        return None
    low, high = max(n or 0 for n in least) - 1, max(n or 0 for n in most)
    while high - low > 1:
        middle = (low + high) // 2
        missed = sum(1 - claim.power(middle, replicates, alpha, careful) for claim in claims)
        low, high = (low, middle) if 1 - missed >= power else (middle, high)
    return high


def _detectable(
    variances: Variances, replicates: Sequence[int], config: PlanConfig, analyze: AnalysisConfig
) -> dict[int, tuple[float, ...]]:
    return {
        r: tuple(detectable(variances.at(r), n, analyze.alpha, config.power) for n in PROBLEMS)
        for r in replicates
    }


def _cheapest(rows: Sequence[Row], config: PlanConfig) -> Row | None:
    """The row whose cautious number costs least among those that fit; None if none does."""
    limit = math.inf if config.available is None else config.available
    fitting = [r for r in rows if r.verdict is not None and r.verdict <= limit]
    return min(fitting, key=lambda r: (r.careful or math.inf) * r.replicates, default=None)


def _doubts(measured: Mapping[str, Measured], best: Row | None) -> list[str]:
    said = []
    cut = [name for name, found in measured.items() if found.truncated]
    if cut:
        said.append(
            f"the noise of single replicates explains all the variance between problems "
            f"({', '.join(cut)}; read as 0), which a small pilot may show by chance: replicates "
            "then seem as good as problems; go by the numbers in brackets"
        )
    had = measured["gap"].replicates
    if best is not None and measured["gap"].problems and best.replicates > had:
        said.append(
            f"{best.replicates} replicates are more than the pilot's {had}: what they save was not "
            f"seen but computed; with {had} a plan rests on what was"
        )
    return said


def _advice(
    claims: Sequence[Claim], rows: Sequence[Row], best: Row | None, config: PlanConfig
) -> str:
    reachable = [row for row in rows if row.verdict is not None]
    if not reachable:
        names = ", ".join(c.name for c in claims if c.effect <= 0)
        if not names:
            return f"Out of reach: the whole verdict needs more than {MOST_PROBLEMS:,} problems."
        return f"Out of reach at any size, because the expected effect misses the margin: {names}."
    if best is None:
        least = min(reachable, key=lambda row: row.verdict or 0)
        return (
            f"The {config.available} available problems cannot carry the whole verdict: with "
            f"{least.replicates} replicate(s) it needs {least.verdict:,} problems. Claim less, or "
            "speak of these very problems only (analyze.estimand=fixed)."
        )
    careful = "" if best.careful in (None, best.verdict) else f" (cautious: {best.careful:,})"
    return (
        f"Cheapest for the whole verdict with power {config.power:g}: {best.verdict:,} problems"
        f"{careful} with {best.replicates} replicate(s), {best.attempts:,} attempts over the four "
        "cells."
    )
