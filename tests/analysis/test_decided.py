"""A verdict is decided by what is shown, and stopping on it keeps the error rate of CLOSED."""

import numpy as np
import pytest

from analysis.decided import is_decided
from analysis.intervals import Interval, interval
from analysis.statistic import without_noise
from analysis.stopping import decide, repeated_interval
from analysis.stopping_rule import StoppingRule
from analysis.verdict import Terms, judge

MARGIN = 0.05


def about(mean, width):
    """A contrast whose bounds are ``mean`` -/+ ``width``; of two, the widths add."""
    return without_noise(np.array([mean, width]), -1.0)


def stated(contrast, alpha):
    mean, width = contrast.values
    return Interval(mean, mean - abs(width), mean + abs(width), 2)


STATED = Terms(MARGIN, 0.05, stated)


@pytest.mark.parametrize(
    "base, left, change, verdict, decided",
    [
        ((0.01, 0.02), (0.0, 0.01), (0.0, 0.01), "NO_GAP", True),
        ((0.04, 0.02), (0.0, 0.01), (0.0, 0.01), "NO_GAP", False),
        ((-0.2, 0.1), (0.0, 0.01), (0.0, 0.01), "NO_GAP", True),
        ((0.3, 0.02), (0.3, -0.01), (0.0, 0.01), "NOT_SHOWN", True),
        ((0.3, 0.04), (0.3, -0.04), (0.0, 0.01), "NOT_SHOWN", False),
        ((0.3, 0.02), (0.4, -0.02), (0.0, 0.01), "NOT_SHOWN", True),
        ((0.3, 0.02), (0.1, -0.02), (0.0, 0.01), "NARROWED", True),
        ((0.3, 0.02), (0.06, -0.02), (0.0, 0.01), "NARROWED", False),
        ((0.3, 0.02), (0.04, -0.02), (0.0, 0.01), "NARROWED", False),
        ((0.3, 0.02), (0.0, -0.02), (-0.1, 0.01), "CLOSED_BY_DAMAGE", True),
        ((0.3, 0.02), (0.0, -0.02), (-0.04, 0.02), "CLOSED_BY_DAMAGE", False),
        ((0.3, 0.02), (0.0, -0.02), (0.0, 0.02), "CLOSED", True),
    ],
)
def test_a_verdict_is_decided_where_the_contrary_of_what_failed_is_shown(
    base, left, change, verdict, decided
):
    contrasts = about(*base), about(*left), about(*change)
    judged = judge(*contrasts, STATED)
    assert judged.verdict == verdict
    assert is_decided(judged, *contrasts, STATED) == decided


RULE = StoppingRule(200, margin=0.1, looks=5)


def ends_closed(rng, change, left, repeated):
    """Whether a study whose adapter leaves this much of the gap, and changes parallel by this, ends
    as CLOSED. repeated: by the rule; else by ordinary intervals at each look."""
    n = RULE.problems
    hard = rng.normal(0, 0.1, n)  # what one problem does to all its contrasts
    means = (0.4, left, change)
    base, kept, moved = (
        without_noise((m + hard + rng.normal(0, 0.4, n)).clip(-1, 1), -1) for m in means
    )

    def settled(look, used):
        def bounds(contrast, alpha):
            first = without_noise(contrast.values[:used], contrast.low, contrast.high)
            return (
                repeated_interval(first, RULE, look, alpha) if repeated else interval(first, alpha)
            )

        terms = Terms(RULE.margin, RULE.alpha, bounds)
        judged = judge(base, kept, moved, terms)
        said.append(judged.verdict)
        return is_decided(judged, base, kept, moved, terms)

    said: list[str] = []
    used = decide(base, RULE, settled=settled).used
    return said[-1] == "CLOSED", used


@pytest.mark.parametrize("left, change", [(0.1, 0.0), (0.0, -0.1)], ids=["left", "damage"])
def test_stopping_on_it_calls_closed_at_most_alpha_of_what_lies_at_the_margin(left, change):
    rng = np.random.default_rng(1)
    closed = sum(ends_closed(rng, change, left, repeated=True)[0] for _ in range(300))
    assert closed <= 26  # 15 expected at most, 3 standard errors
    peeked = sum(ends_closed(rng, change, left, repeated=False)[0] for _ in range(300))
    assert peeked > 26


def test_a_gap_that_is_closed_is_called_so_before_the_end():
    rng = np.random.default_rng(2)
    found = [ends_closed(rng, 0.05, -0.05, repeated=True) for _ in range(60)]
    assert sum(closed for closed, _ in found) >= 54
    assert np.mean([used for _, used in found]) < 0.9 * RULE.problems
