import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis import estimators


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"),
    [(10, 3, 5, 0.9166667), (5, 2, 2, 0.7), (200, 1, 100, 0.5), (10, 6, 5, 1.0)],
)
def test_pass_at_k_anchors(n, c, k, expected):
    assert estimators.pass_at_k(n, c, k) == pytest.approx(expected, abs=1e-7)


def test_pass_at_k_of_the_documented_matrix():
    rows = [[0, 1, 1, 0, 1], [1, 1, 0, 1, 1]]
    values = estimators.pass_at_k(5, np.sum(rows, axis=1)[:, None], np.array([1, 2, 3])).mean(0)
    assert values == pytest.approx([0.7, 0.95, 1.0])


def test_documented_bias_and_error_of_pass_at_k():
    # documented standard deviation at n = 64, k = 8, p = .10
    counts = np.arange(65)
    weights = stats.binom.pmf(counts, 64, 0.1)
    error = np.sqrt(weights @ estimators.pass_at_k_variance(64, counts, 8))
    assert error == pytest.approx(0.1466, abs=5e-5)
    plug_in = weights @ (1 - (1 - counts / 64) ** 8)
    assert plug_in == pytest.approx(0.5489, abs=5e-5)
    assert weights @ estimators.pass_at_k(64, counts, 8) == pytest.approx(0.5695, abs=5e-5)


def test_pass_at_k_is_unbiased_and_its_variance_too():
    n, k, p = 16, 4, 0.2
    counts = np.arange(n + 1)
    weights = stats.binom.pmf(counts, n, p)
    values = estimators.pass_at_k(n, counts, k)
    truth = 1 - (1 - p) ** k
    assert weights @ values == pytest.approx(truth, abs=1e-12)
    variance = weights @ (values - truth) ** 2
    assert weights @ estimators.pass_at_k_variance(n, counts, k) == pytest.approx(variance)


def test_nothing_is_said_beyond_the_attempts_there_are():
    assert np.isnan(estimators.pass_at_k(4, 2, 5))
    assert np.isnan(estimators.pass_at_k_variance(7, 2, 4))
    assert np.isnan(estimators.collision(np.array([[1]]), np.array([1])))[0]


def test_no_correct_attempt_is_exactly_zero():
    assert (estimators.pass_at_k(200, 0, np.arange(1, 201)) == 0).all()


def test_answer_counts_ignore_missing_answers():
    codes = np.array([[3, 1, 3, -1], [-1, -1, -1, -1], [0, 1, 2, 3]])
    assert estimators.answer_counts(codes).tolist() == [[2, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]


def test_rarefaction_anchor_and_enumeration():
    counts = np.array([[5, 3, 2, 1, 1]])
    curve = estimators.distinct_curve(counts, np.array([12]), 4)[0]
    assert curve[3] == pytest.approx(2.9171717172)
    bag = np.repeat(np.arange(5), counts[0])
    subsets = list(itertools.combinations(bag, 3))
    assert curve[2] == pytest.approx(np.mean([len(set(s)) for s in subsets]))


def test_baseline_is_the_mean_repeat_rate_over_all_orders():
    codes = [0, 0, 1, 2, -1, 1]
    counts = estimators.answer_counts(np.array([codes]))
    baseline = estimators.repeat_baseline(counts, np.array([6]), 3)[0]
    orders = list(itertools.permutations(codes, 3))
    for draw in range(3):
        repeats = [o[draw] >= 0 and o[draw] in o[:draw] for o in orders]
        assert baseline[draw] == pytest.approx(np.mean(repeats), abs=1e-12)


def test_collision_is_the_share_of_equal_pairs():
    codes = [0, 0, 0, 1, 1, -1]
    pairs = [a == b >= 0 for a, b in itertools.combinations(codes, 2)]
    found = estimators.collision(estimators.answer_counts(np.array([codes])), np.array([6]))
    assert found[0] == pytest.approx(np.mean(pairs))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1, 5), min_size=4, max_size=20), st.randoms(use_true_random=False))
def test_relabelling_and_reordering_answers_change_nothing(codes, random):
    names = [*range(10, 16)]
    random.shuffle(names)
    renamed = [c if c < 0 else names[c] for c in codes]
    random.shuffle(renamed)
    curves = [
        estimators.distinct_curve(estimators.answer_counts(np.array([c])), np.array([len(c)]), 4)
        for c in (codes, renamed)
    ]
    np.testing.assert_allclose(curves[0], curves[1], atol=1e-12)
