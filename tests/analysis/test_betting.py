import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.betting import confidence_sequence

values = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=60)


def capital(x, m, alpha, sign):
    """The capital process written out as in the paper, one problem after the other."""
    money, total, squares = 1.0, 0.5, 0.25
    for t, value in enumerate(x, 1):
        variance = squares / t
        stake = np.sqrt(2 * np.log(2 / alpha) / (variance * t * np.log(t + 1)))
        room = m if sign > 0 else 1 - m
        stake = min(stake, 0.5 / room) if room > 0 else stake
        money *= 1 + sign * stake * (value - m)
        total += value
        squares += (value - total / (t + 1)) ** 2
    return money


@settings(deadline=None, max_examples=12)
@given(values, st.sampled_from([0.05, 0.2]))
def test_bounds_are_where_half_of_a_capital_passes_one_over_alpha(drawn, alpha):
    found = confidence_sequence(np.array(drawn), -1.0, 1.0, alpha)
    # the running bound at the end is the best over all t; check the grid point beyond it
    x = (np.array(drawn) + 1) / 2
    low, high = (found.low[-1] + 1) / 2, (found.high[-1] + 1) / 2
    prefixes = [x[:t] for t in range(1, len(x) + 1)]
    ahead = low + 0.002
    assert not any(capital(p, ahead, alpha, 1) >= 2 / alpha * (1 + 1e-9) for p in prefixes)
    if low > 0:
        assert any(capital(p, low, alpha, 1) >= 2 / alpha * (1 - 1e-9) for p in prefixes)
    ahead = high - 0.002
    assert not any(capital(p, ahead, alpha, -1) >= 2 / alpha * (1 + 1e-9) for p in prefixes)


@settings(deadline=None, max_examples=12)
@given(values)
def test_bounds_only_tighten_and_mirror_with_the_data(drawn):
    x = np.array(drawn)
    found = confidence_sequence(x, -1.0, 1.0, 0.05)
    assert (np.diff(found.low) >= 0).all() and (np.diff(found.high) <= 0).all()
    mirrored = confidence_sequence(-x, -1.0, 1.0, 0.05)
    np.testing.assert_allclose(mirrored.low, -found.high, atol=1e-9)


def test_the_truth_stays_inside_at_every_sample_size():
    rng = np.random.default_rng(2)
    left = 0
    for _ in range(60):
        x = rng.choice([-1.0, 0.0, 1.0], 150, p=[0.1, 0.7, 0.2])
        found = confidence_sequence(x, -1.0, 1.0, 0.1)
        left += ((found.low > 0.1) | (found.high < 0.1)).any()
    assert left <= 12  # 6 expected at most, 2.5 standard errors


def test_a_constant_is_closed_in_on():
    found = confidence_sequence(np.full(400, 0.5), -1.0, 1.0, 0.05)
    assert 0.4 < found.low[-1] <= 0.5 <= found.high[-1] < 0.6


def test_values_outside_the_range_are_refused():
    with pytest.raises(ValueError, match="outside"):
        confidence_sequence(np.array([0.0, 1.2]), -1.0, 1.0, 0.05)
