import numpy as np
import pytest
from scipy import stats

from analysis.seeds import crossed_interval, seed_interval


def test_seed_interval_is_t_over_the_seeds():
    means = np.array([0.1, 0.14, 0.09])
    expected = stats.ttest_1samp(means, 0).confidence_interval()
    assert seed_interval(means, 0.05) == pytest.approx((expected.low, expected.high))
    assert np.isnan(seed_interval(means[:1], 0.05)).all()
    assert np.isnan(seed_interval(np.full(3, 0.1), 0.05)).all()


@pytest.mark.parametrize(
    ("seeds", "problems", "noise"), [(3, 40, 0.3), (5, 200, 0.2), (4, 30, 0.0)]
)
def test_crossed_interval_covers_other_seeds_and_other_problems(seeds, problems, noise):
    rng = np.random.default_rng(0)
    crossed, naive = 0, 0
    for _ in range(600):
        values = (
            0.1
            + rng.normal(0, 0.02, (seeds, 1))
            + rng.normal(0, 0.3, (1, problems))
            + rng.normal(0, noise, (seeds, problems))
        )
        low, high = crossed_interval(values, 0.05)
        crossed += low <= 0.1 <= high
        low, high = seed_interval(values.mean(axis=1), 0.05)
        naive += low <= 0.1 <= high
    assert crossed >= 550  # 570 expected, less 3.7 standard errors
    assert naive < crossed


def test_crossed_interval_is_that_of_the_seeds_where_problems_do_not_differ():
    values = np.random.default_rng(1).normal(0.1, 0.02, (4, 1)) * np.ones((1, 50))
    assert crossed_interval(values, 0.05) == pytest.approx(seed_interval(values[:, 0], 0.05))
    assert np.isnan(crossed_interval(values[:1], 0.05)).all()
    assert np.isnan(crossed_interval(np.ones((3, 9)), 0.05)).all()
