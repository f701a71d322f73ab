import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import chains


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=10))
def test_repeats_and_distinct_equal_a_walk_along_the_chain(codes):
    array, present = np.array([codes]), np.ones((1, len(codes)), bool)
    seen: set[int] = set()
    for step, code in enumerate(codes):
        assert chains.repeats(array, present)[0, step] == (code >= 0 and code in seen)
        seen |= {code} - {-1}
        assert chains.distinct_curve(array, present)[0, step] == len(seen)


def test_coverage_is_the_best_so_far_and_stops_at_the_unknown():
    correct = np.array([[0, 1, 0], [0, np.nan, 1], [1, np.nan, 0]])
    expected = [[0, 1, 1], [0, np.nan, np.nan], [1, np.nan, np.nan]]
    np.testing.assert_array_equal(chains.coverage_curve(correct), expected)


def test_a_missing_step_ends_the_chain():
    codes, present = np.array([[1, -1, 1]]), np.array([[True, False, True]])
    assert np.isnan(chains.repeats(codes, present)[0]).tolist() == [False, True, True]


def test_identity_anchor():
    terms = chains.identity_terms(0.9, 0.8, 0.8, 0.75)
    assert terms == pytest.approx((0.0775, 0.0425))
    assert sum(terms) == pytest.approx(0.12)
