import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW
from test_intervals import SLEEP, contrast

from analysis.equivalence import equivalence, tost_p


@pytest.mark.parametrize(("margin", "expected"), [(3, 0.00265557), (2, 0.15415724)])
def test_sleep_anchors(margin, expected):
    assert tost_p(-SLEEP, margin) == pytest.approx(expected, abs=1e-8)


def test_pingouin_documentation_anchor():
    d = np.array([4, 7, 8, 6, 3, 2], float) - np.array([6, 8, 7, 10, 11, 9])
    assert tost_p(d, 1) == pytest.approx(0.929383, abs=1e-6)


def test_agrees_with_statsmodels_and_with_its_own_interval():
    rng = np.random.default_rng(0)
    for _ in range(50):
        d = rng.normal(rng.normal(0, 0.05), 0.2, 60)
        found = equivalence(contrast(d), 0.05, 0.05)
        assert found.p == pytest.approx(DescrStatsW(d).ttost_mean(-0.05, 0.05)[0])
        assert found.equivalent == (found.p < 0.05)


def test_holds_its_level_at_the_margin_and_has_power_inside():
    rng = np.random.default_rng(1)

    def draws(mean):
        return rng.normal(mean, 0.2, (600, 200))

    at, inside = (
        sum(
            equivalence(contrast(rng.normal(m, 0.2, 200)), 0.05, 0.05).equivalent
            for _ in range(600)
        )
        for m in (0.05, 0.0)
    )
    assert at <= 51  # 30 expected, 4 standard errors
    assert inside > 500


def test_too_little_variation_is_judged_by_the_guarded_interval():
    few = equivalence(contrast(np.zeros(20), 2.0), 0.05, 0.05)
    many = equivalence(contrast(np.zeros(2000), 2.0), 0.05, 0.05)
    assert not few.equivalent and many.equivalent
    assert np.isnan(few.p) and np.isnan(many.p)
    assert np.isnan(tost_p(np.zeros(5), 0.1))
