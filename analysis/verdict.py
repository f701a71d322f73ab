"""The verdict: four tests in a fixed order, each asked only if the one before it passed.

The order is fixed before sampling, so no correction for multiplicity is due. The interval of the
estimand (t over problems) decides alone; the sign flip is a check, and where the two p values fall
on different sides of alpha the summary warns.
"""

import math
from dataclasses import dataclass, replace

from analysis.config import AnalysisConfig
from analysis.inference import Bounds, estimand_bounds
from analysis.intervals import Interval
from analysis.statistic import Statistic
from analysis.words import counted

VERDICTS = ("NO_GAP", "NOT_SHOWN", "NARROWED", "CLOSED_BY_DAMAGE", "CLOSED")
"""Each by the test that failed; the last passed all."""


@dataclass(frozen=True)
class Terms:
    """What the tests are held against, and how the interval of a contrast is found."""

    margin: float
    alpha: float
    bounds: Bounds


def terms_of(config: AnalysisConfig, bounds: Bounds | None = None) -> Terms:
    """bounds: None = those of the config's estimand, right where the sample size was fixed."""
    return Terms(config.margin, config.alpha, bounds or estimand_bounds(config.estimand))


@dataclass(frozen=True)
class Step:
    """One test. bound: the end of the interval that is compared with the threshold.

    passed: None = not asked, because an earlier step failed.
    """

    question: str
    estimate: float
    bound: float
    threshold: float
    passed: bool | None


@dataclass(frozen=True)
class Verdict:
    """verdict: one of VERDICTS; reason: one sentence.

    withheld: why less is said than the tests allow, also part of the reason; None = it is not.
    """

    verdict: str
    reason: str
    steps: tuple[Step, ...]
    withheld: str | None = None


def judge(
    gap_base: Statistic,
    gap_adapted: Statistic,
    parallel_change: Statistic,
    terms: Terms,
) -> Verdict:
    """The verdict on one adapter, on the problems that all four cells have.

    parallel_change: parallel accuracy of the adapter minus that of its base.
    """
    did = gap_base - gap_adapted
    steps = _stop_at_failure(
        (
            _gap_exists(gap_base, terms),
            _shrank(did, terms),
            _is_within_margin(gap_adapted, terms),
            _is_not_damage(parallel_change, terms),
        )
    )
    failed = next((i for i, step in enumerate(steps) if not step.passed), None)
    reasons = (
        lambda: no_gap_reason(gap_base, terms),
        lambda: _not_shown_reason(did, steps, terms),
        lambda: _narrowed_reason(did, steps, terms),
        lambda: _damage_reason(steps, terms),
    )
    if failed is not None:
        return Verdict(VERDICTS[failed], reasons[failed](), steps)
    return Verdict("CLOSED", _closed_reason(gap_base, did, steps, terms), steps)


def strength(verdict: str) -> int:
    """How much it claims: its place in VERDICTS."""
    return VERDICTS.index(verdict)


def withhold(judged: Verdict, most: str, why: str) -> Verdict:
    """The verdict, but no stronger claim than ``most``; why: a sentence for where it was."""
    if strength(judged.verdict) <= strength(most):
        return judged
    return replace(judged, verdict=most, reason=f"{judged.reason} {why}", withheld=why)


def judge_model(gap: Statistic, terms: Terms) -> Verdict:
    """Step 1 alone, for a model that is no adapter: GAP or NO_GAP."""
    step = _gap_exists(gap, terms)
    if not step.passed:
        return Verdict("NO_GAP", no_gap_reason(gap, terms), (step,))
    said = _with_interval(terms.bounds(gap, terms.alpha), terms)
    return Verdict("GAP", f"Parallel is ahead of sequential by {said}.", (step,))


def _gap_exists(gap: Statistic, terms: Terms) -> Step:
    found = terms.bounds(gap, terms.alpha)
    question = f"Is there a gap to close (lower bound > 0, estimate >= {points(terms.margin)})?"
    passed = found.low > 0 and found.estimate >= terms.margin
    return Step(question, found.estimate, found.low, 0.0, passed)


def _shrank(did: Statistic, terms: Terms) -> Step:
    found = terms.bounds(did, terms.alpha)
    return Step("Did it shrink?", found.estimate, found.low, 0.0, found.low > 0)


def _is_within_margin(gap: Statistic, terms: Terms) -> Step:
    found = terms.bounds(gap, 2 * terms.alpha)
    question = "Is what remains below the margin?"
    return Step(question, found.estimate, found.high, terms.margin, found.high < terms.margin)


def _is_not_damage(change: Statistic, terms: Terms) -> Step:
    found = terms.bounds(change, 2 * terms.alpha)
    question = "Did parallel keep its accuracy?"
    return Step(question, found.estimate, found.low, -terms.margin, found.low > -terms.margin)


def _stop_at_failure(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    asked, open_ = [], True
    for step in steps:
        asked.append(step if open_ else replace(step, passed=None))
        open_ = open_ and bool(step.passed)
    return tuple(asked)


def no_gap_reason(gap: Statistic, terms: Terms) -> str:
    """Why step 1 failed, in words that hold for a negative control too."""
    found = terms.bounds(gap, terms.alpha)
    said = f"parallel minus sequential is {_with_interval(found, terms)}"
    if found.high < 0:
        return f"No gap to close: {said}, so sequential is ahead."
    if not found.low <= 0:
        return f"No gap to close: {said}, less than the margin of {points(terms.margin)}."
    small = found.high < terms.margin
    tail = f", and below the margin of {points(terms.margin)}" if small else ""
    return f"No gap to close: {said}, not shown to be above 0{tail}."


def _not_shown_reason(did: Statistic, steps: tuple[Step, ...], terms: Terms) -> str:
    found = terms.bounds(did, terms.alpha)
    said = _with_interval(found, terms)
    if found.high < 0:
        return f"The gap grew: gap of the base minus gap of the adapter is {said}."
    left = steps[2]
    if left.bound < left.threshold:
        return (
            f"The gap is within the margin (upper bound {points(left.bound)}), "
            f"but it is not shown to have shrunk: it did by an estimated {said}."
        )
    return f"The gap is not shown to have shrunk: it did by an estimated {said}."


def _narrowed_reason(did: Statistic, steps: tuple[Step, ...], terms: Terms) -> str:
    said = _with_interval(terms.bounds(did, terms.alpha), terms)
    left = steps[2]
    return (
        f"The gap shrank by {said}, but {points(left.estimate)} remain: the upper bound "
        f"{points(left.bound)} is not below the margin of {points(terms.margin)}."
    )


def _damage_reason(steps: tuple[Step, ...], terms: Terms) -> str:
    left, change = steps[2], steps[3]
    return (
        f"The gap closed to {points(left.estimate)}, but parallel may have lost more than the "
        f"margin of {points(terms.margin)}: it changed by {points(change.estimate)}, "
        f"lower bound {points(change.bound)}."
    )


def _closed_reason(gap: Statistic, did: Statistic, steps: tuple[Step, ...], terms: Terms) -> str:
    said = _with_interval(terms.bounds(did, terms.alpha), terms)
    left, change = steps[2], steps[3]
    return (
        f"The gap fell from {points(gap.estimate)} to {points(left.estimate)} (upper bound "
        f"{points(left.bound)}, margin {points(terms.margin)}), by {said}; parallel changed by "
        f"{points(change.estimate)}, lower bound {points(change.bound)}."
    )


def points(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{_number(share)} points"


def _number(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # + 0.0: never "-0.0"


def _with_interval(found: Interval, terms: Terms) -> str:
    level = f"{100 * (1 - terms.alpha):g} %"
    limits = f"{_number(found.low)} to {_number(found.high)}"
    return f"{points(found.estimate)} ({level} interval {limits}, {counted(found.n, 'problem')})"
