"""The verdict: four tests in a fixed order, each asked only if the one before it passed.

The order is fixed before sampling, so no correction for multiplicity is due.
"""

import math
from dataclasses import dataclass, replace

from analysis.config import AnalysisConfig
from analysis.inference import bounds
from analysis.intervals import Interval
from analysis.statistic import Statistic


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
    """verdict: NO_GAP, NOT_SHOWN, NARROWED, CLOSED_BY_DAMAGE or CLOSED; reason: one sentence."""

    verdict: str
    reason: str
    steps: tuple[Step, ...]


def judge(
    gap_base: Statistic,
    gap_adapted: Statistic,
    parallel_change: Statistic,
    config: AnalysisConfig,
    registered: bool = True,
) -> Verdict:
    """The verdict on one adapter, on the problems that all four cells have.

    parallel_change: parallel accuracy of the adapter minus that of its base.
    registered: the settings were fixed before sampling; if not, CLOSED is never said.
    """
    did = gap_base - gap_adapted
    steps = _stop_at_failure(
        (
            _gap_exists(gap_base, config),
            _shrank(did, config),
            _is_within_margin(gap_adapted, config),
            _is_not_damage(parallel_change, config),
        )
    )
    failed = next((i for i, step in enumerate(steps) if not step.passed), None)
    reasons = (
        lambda: no_gap_reason(gap_base, config),
        lambda: _not_shown_reason(did, steps, config),
        lambda: _narrowed_reason(did, steps, config),
        lambda: _damage_reason(steps, config),
    )
    if failed is not None:
        names = ("NO_GAP", "NOT_SHOWN", "NARROWED", "CLOSED_BY_DAMAGE")
        return Verdict(names[failed], reasons[failed](), steps)
    reason = _closed_reason(gap_base, did, steps, config)
    if registered:
        return Verdict("CLOSED", reason, steps)
    caveat = " All four tests passed, but the settings were not fixed before sampling."
    return Verdict("NARROWED", reason + caveat, steps)


def judge_model(gap: Statistic, config: AnalysisConfig) -> Verdict:
    """Step 1 alone, for a model that is no adapter: GAP or NO_GAP."""
    step = _gap_exists(gap, config)
    if not step.passed:
        return Verdict("NO_GAP", no_gap_reason(gap, config), (step,))
    said = _with_interval(bounds(gap, config.alpha, config.estimand), config)
    return Verdict("GAP", f"Parallel is ahead of sequential by {said}.", (step,))


def _gap_exists(gap: Statistic, config: AnalysisConfig) -> Step:
    found = bounds(gap, config.alpha, config.estimand)
    question = f"Is there a gap to close (lower bound > 0, estimate >= {_points(config.margin)})?"
    passed = found.low > 0 and found.estimate >= config.margin
    return Step(question, found.estimate, found.low, 0.0, passed)


def _shrank(did: Statistic, config: AnalysisConfig) -> Step:
    found = bounds(did, config.alpha, config.estimand)
    return Step("Did it shrink?", found.estimate, found.low, 0.0, found.low > 0)


def _is_within_margin(gap: Statistic, config: AnalysisConfig) -> Step:
    found = bounds(gap, 2 * config.alpha, config.estimand)
    question = "Is what remains below the margin?"
    return Step(question, found.estimate, found.high, config.margin, found.high < config.margin)


def _is_not_damage(change: Statistic, config: AnalysisConfig) -> Step:
    found = bounds(change, 2 * config.alpha, config.estimand)
    question = "Did parallel keep its accuracy?"
    return Step(question, found.estimate, found.low, -config.margin, found.low > -config.margin)


def _stop_at_failure(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    asked, open_ = [], True
    for step in steps:
        asked.append(step if open_ else replace(step, passed=None))
        open_ = open_ and bool(step.passed)
    return tuple(asked)


def no_gap_reason(gap: Statistic, config: AnalysisConfig) -> str:
    """Why step 1 failed, in words that hold for a negative control too."""
    found = bounds(gap, config.alpha, config.estimand)
    said = f"parallel minus sequential is {_with_interval(found, config)}"
    if found.high < 0:
        return f"No gap to close: {said}, so sequential is ahead."
    if not found.low <= 0:
        return f"No gap to close: {said}, less than the margin of {_points(config.margin)}."
    small = found.high < config.margin
    tail = f", and below the margin of {_points(config.margin)}" if small else ""
    return f"No gap to close: {said}, not shown to be above 0{tail}."


def _not_shown_reason(did: Statistic, steps: tuple[Step, ...], config: AnalysisConfig) -> str:
    found = bounds(did, config.alpha, config.estimand)
    said = _with_interval(found, config)
    if found.high < 0:
        return f"The gap grew: gap of the base minus gap of the adapter is {said}."
    left = steps[2]
    if left.bound < left.threshold:
        return (
            f"The gap is within the margin (upper bound {_points(left.bound)}), "
            f"but it is not shown to have shrunk: it did by an estimated {said}."
        )
    return f"The gap is not shown to have shrunk: it did by an estimated {said}."


def _narrowed_reason(did: Statistic, steps: tuple[Step, ...], config: AnalysisConfig) -> str:
    said = _with_interval(bounds(did, config.alpha, config.estimand), config)
    left = steps[2]
    return (
        f"The gap shrank by {said}, but {_points(left.estimate)} remain: the upper bound "
        f"{_points(left.bound)} is not below the margin of {_points(config.margin)}."
    )


def _damage_reason(steps: tuple[Step, ...], config: AnalysisConfig) -> str:
    left, change = steps[2], steps[3]
    return (
        f"The gap closed to {_points(left.estimate)}, but parallel may have lost more than the "
        f"margin of {_points(config.margin)}: it changed by {_points(change.estimate)}, "
        f"lower bound {_points(change.bound)}."
    )


def _closed_reason(
    gap: Statistic, did: Statistic, steps: tuple[Step, ...], config: AnalysisConfig
) -> str:
    said = _with_interval(bounds(did, config.alpha, config.estimand), config)
    left, change = steps[2], steps[3]
    return (
        f"The gap fell from {_points(gap.estimate)} to {_points(left.estimate)} (upper bound "
        f"{_points(left.bound)}, margin {_points(config.margin)}), by {said}; parallel changed by "
        f"{_points(change.estimate)}, lower bound {_points(change.bound)}."
    )


def _points(share: float) -> str:
    return "unknown" if math.isnan(share) else f"{_number(share)} points"


def _number(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # + 0.0: never "-0.0"


def _with_interval(found: Interval, config: AnalysisConfig) -> str:
    level = f"{100 * (1 - config.alpha):g} %"
    limits = f"{_number(found.low)} to {_number(found.high)}"
    return f"{_points(found.estimate)} ({level} interval {limits}, {found.n} problems)"
