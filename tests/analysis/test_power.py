import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from analysis.power import (
    Variances,
    detectable,
    normal_problems,
    problems_needed,
    superiority,
    upper_variance,
)

# standard deviation over problems, then the measured detectable contrast in points at 30, 60, 128,
# 500, 1000 and 2000 problems: power .8, alpha .05
MEASURED = [
    (0.505, (26.7, 18.6, 12.6, 6.3, 4.5, 3.2)),
    (0.321, (17.0, 11.8, 8.0, 4.0, 2.8, 2.0)),
    (0.255, (13.5, 9.4, 6.4, 3.2, 2.3, 1.6)),
    (0.234, (12.4, 8.6, 5.8, 2.9, 2.1, 1.5)),
    (0.699, (37.0, 25.7, 17.4, 8.8, 6.2, 4.4)),
    (0.444, (23.5, 16.3, 11.1, 5.6, 3.9, 2.8)),
    (0.352, (18.6, 12.9, 8.8, 4.4, 3.1, 2.2)),
    (0.325, (17.2, 12.0, 8.1, 4.1, 2.9, 2.0)),
]
SIZES = (30, 60, 128, 500, 1000, 2000)


def test_the_sample_size_that_miller_published():
    assert normal_problems(0.03, 1 / 9, 0.05, 0.8) == pytest.approx(968.9975, abs=1e-4)
    assert math.ceil(normal_problems(0.03, 1 / 9, 0.05, 0.8)) == 969
    # the t test pays for not knowing the variance
    assert problems_needed(0.03, 1 / 3, 0.05, 0.8) == 971


@pytest.mark.parametrize(("sd", "points"), MEASURED)
def test_detectable_contrasts_are_those_measured(sd, points):
    found = [100 * detectable(sd, n, 0.05, 0.8) for n in SIZES]
    assert found == pytest.approx(points, abs=0.11)


@pytest.mark.parametrize(("n", "effect"), [(12, 0.4), (30, 0.1), (500, 0.03)])
def test_power_is_that_of_statsmodels(n, effect):
    oracle = TTestPower().power(effect / 0.3, n, 0.05, alternative="larger")
    assert superiority(effect, 0.3, n, 0.05, sides=1) == pytest.approx(oracle, abs=1e-9)
    # two-sided, in the direction of the effect only
    both = TTestPower().power(effect / 0.3, n, 0.05)
    wrong_side = superiority(-effect, 0.3, n, 0.05)
    assert superiority(effect, 0.3, n, 0.05) + wrong_side == pytest.approx(both, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "sd", "margin", "measured"),
    [(500, 0.315, 0.03, 0.695), (500, 0.315, 0.05, 0.977), (1000, 0.315, 0.03, 0.915)],
)
def test_a_margin_claim_has_the_power_that_was_measured(n, sd, margin, measured):
    assert superiority(margin, sd, n, 0.05, sides=1) == pytest.approx(measured, abs=0.02)


def test_at_the_margin_a_claim_is_made_with_chance_alpha():
    assert superiority(0.0, 0.3, 50, 0.05, sides=1) == pytest.approx(0.05, abs=1e-9)


effects = st.floats(0.01, 0.5)
deviations = st.floats(0.05, 1.0)


@settings(deadline=None, max_examples=40)
@given(effects, deviations, st.sampled_from([1, 2]))
def test_the_problems_needed_are_just_enough(effect, sd, sides):
    n = problems_needed(effect, sd, 0.05, 0.8, sides)
    assert n is not None
    assert superiority(effect, sd, n, 0.05, sides) >= 0.8
    assert n == 2 or superiority(effect, sd, n - 1, 0.05, sides) < 0.8


@settings(deadline=None, max_examples=40)
@given(deviations, st.integers(5, 3000))
def test_the_detectable_contrast_is_detected_with_the_power_asked_for(sd, n):
    assert superiority(detectable(sd, n, 0.05, 0.8), sd, n, 0.05) == pytest.approx(0.8, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 50))
def test_replicates_shrink_only_the_noise(between, within, replicates):
    sd = Variances(between, within).at(replicates)
    assert math.sqrt(between) - 1e-12 <= sd <= Variances(between, within).at(1) + 1e-12


def test_no_number_of_problems_shows_what_is_not_there():
    assert problems_needed(0.0, 0.3, 0.05, 0.8) is None
    assert problems_needed(-0.1, 0.3, 0.05, 0.8, 1) is None
    assert math.isnan(detectable(0.3, 1, 0.05, 0.8))


def test_the_cautious_variance_covers_the_true_one_four_times_out_of_five():
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(4000, 20)).var(axis=1, ddof=1)
    bounds = np.array([upper_variance(v, [(v, 19)]) for v in drawn])
    assert (bounds > 1).mean() == pytest.approx(0.8, abs=0.02)
