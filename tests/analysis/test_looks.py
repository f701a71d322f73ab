import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.looks import design, expected_share, stop_chances

TENTHS = [k / 10 for k in range(1, 11)]


def test_boundaries_are_those_of_the_tables():
    assert design(TENTHS, 0.05).critical[-1] == pytest.approx(2.087, abs=5e-4)
    assert design(TENTHS, 0.05, shape=0.5).critical == pytest.approx([2.555] * 10, abs=5e-4)
    assert design([0.5, 1], 0.05).critical == pytest.approx((2.797, 1.977), abs=5e-4)
    fifths = design([0.2, 0.4, 0.6, 0.8, 1], 0.05).critical
    assert fifths == pytest.approx((4.562, 3.226, 2.634, 2.281, 2.040), abs=5e-4)


def test_one_look_is_the_plain_test():
    assert design([1], 0.05).critical == pytest.approx([stats.norm.isf(0.025)])


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(0.05, 0.95), max_size=5), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_chance_of_any_false_stop_is_alpha_whatever_the_looks(shares, alpha):
    shares = sorted({round(share, 2) for share in shares})
    plan = design([*shares, 1.0], alpha)
    assert stop_chances(plan, 0.0).sum() == pytest.approx(alpha, abs=1e-5)


def test_stop_chances_are_those_of_a_simulation():
    plan = design(TENTHS, 0.05)
    rng = np.random.default_rng(1)
    for drift in (0.0, 2.8):
        steps = rng.normal(drift * 0.1, np.sqrt(0.1), (20_000, 10)).cumsum(axis=1)
        crossed = np.abs(steps / np.sqrt(plan.shares)) >= plan.critical
        first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 10)
        simulated = np.bincount(first, minlength=11)[:10] / 20_000
        assert stop_chances(plan, drift) == pytest.approx(simulated, abs=0.012)


def test_power_and_use_are_those_measured():
    """600 problems, 4 replicates, 10 looks, a gap of 5 points: reject .969, mean n 366."""
    plan, drift = design(TENTHS, 0.05), 0.05 * np.sqrt(600) / 0.315
    assert stop_chances(plan, drift).sum() == pytest.approx(0.969, abs=0.01)
    assert 600 * expected_share(plan, drift) == pytest.approx(366, abs=8)


@pytest.mark.parametrize("shares", [[], [0.5], [0.5, 0.5, 1], [0, 1], [0.6, 0.4, 1]])
def test_looks_must_rise_to_the_end(shares):
    with pytest.raises(ValueError, match="rise"):
        design(shares, 0.05)
