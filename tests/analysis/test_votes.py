import itertools
from collections import Counter
from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import votes
from analysis.estimators import absent
from sample.errors import ForageError


def vote(answers) -> float:
    """Reference: the plurality vote of answers (0 is right, negative abstains), uniform ties."""
    counts = Counter(a for a in answers if a >= 0)
    winners = [a for a, c in counts.items() if c == max(counts.values())]
    return (0 in winners) / len(winners) if winners else 0.0


def curve(correct, others, abstain=0, steps=None):
    n = correct + sum(others) + abstain
    arrays = (np.array([correct]), np.array([others or [0]]), np.array([n]))
    return votes.majority_curve(*arrays, steps or n)[0]


@pytest.mark.parametrize(
    ("correct", "others", "k", "expected"),
    [
        (4, [3, 2, 1], 5, 0.5595238095),
        (3, [4, 2, 1], 4, 0.3119047619),
        (4, [3, 2, 1], 1, 0.4),
        (4, [3, 2, 1], 2, 0.4),
        (4, [3, 2, 1], 10, 1.0),
    ],
)
def test_anchors(correct, others, k, expected):
    assert curve(correct, others)[k - 1] == pytest.approx(expected, abs=1e-10)


def test_two_answers_at_odd_k_are_decided_by_strict_majority():
    # right answers among 5; the documented strict majority at k = 1 and 3
    rows = [curve(right, [5 - right], steps=3) for right in (3, 4)]
    assert np.mean(rows, axis=0)[[0, 2]] == pytest.approx([0.7, 0.85])


def test_two_votes_are_a_strict_majority_and_half_of_the_ties():
    # the same matrix; strict majority of two is documented as 0.45
    plurality = np.mean([curve(right, [5 - right], steps=2)[1] for right in (3, 4)])
    right = np.array([3, 4])
    agree = [absent(5, count, 2).mean() for count in (5 - right, right)]
    assert agree[0] == pytest.approx(0.45)
    assert plurality - (1 - sum(agree)) / 2 == pytest.approx(0.45)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.lists(st.integers(1, 4), max_size=4), st.integers(0, 2))
def test_equals_enumeration_of_all_subsets(correct, others, abstain):
    bag = [0] * correct + [-1] * abstain
    for label, size in enumerate(others, 1):
        bag += [label] * size
    bag = bag[:9] or [-1]
    left = Counter(bag)
    found = curve(left[0], [left[a] for a in left if a > 0], left[-1])
    for k in range(1, len(bag) + 1):
        truth = np.mean([vote(s) for s in itertools.combinations(bag, k)])
        assert found[k - 1] == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize(("k", "expected"), [(4, 0.5103), (5, 0.523816875), (8, 0.5679730125)])
def test_is_unbiased_for_the_true_vote(k, expected):
    p, n = (0.45, 0.35, 0.2), 9
    total = 0.0
    for c in itertools.product(range(n + 1), repeat=3):
        if sum(c) == n:
            ways = factorial(n) / np.prod([float(factorial(x)) for x in c])
            total += ways * np.prod(np.power(p, c)) * curve(c[0], list(c[1:]))[k - 1]
    assert total == pytest.approx(expected, abs=1e-10)


def test_identities_of_small_and_full_votes():
    found = curve(5, [4, 4, 1], abstain=2)
    assert found[0] == pytest.approx(5 / 16)
    assert found[-1] == 1.0
    no_abstention = curve(5, [4, 4, 1])
    assert no_abstention[1] == pytest.approx(no_abstention[0])
    assert curve(4, [4, 4])[-1] == pytest.approx(1 / 3)


def test_large_pools_agree_with_simulation():
    others = [30, 20, 10] + [1] * 10
    found = curve(30, others, steps=32)[31]
    rng = np.random.default_rng(0)
    bag = np.repeat(np.arange(len(others) + 1), [30, *others])
    drawn = [vote(rng.choice(bag, 32, replace=False)) for _ in range(4000)]
    assert found == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 4000**0.5)


def test_rows_of_different_size_do_not_mix():
    n = np.array([4, 2])
    found = votes.majority_curve(np.array([3, 1]), np.array([[1], [1]]), n, 3)
    assert found[0] == pytest.approx(curve(3, [1], steps=3))
    assert found[1, :2] == pytest.approx([0.5, 0.5])
    assert np.isnan(found[1, 2])


def test_a_pool_too_large_for_exact_arithmetic_is_refused():
    with pytest.raises(ForageError, match="fewer than 1,000"):
        curve(1200, [1200], steps=1200)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=8))
def test_chain_votes_equal_the_vote_of_each_prefix(codes):
    correct = np.array([[float(c == 0) for c in codes]])
    found = votes.chain_votes(np.array([codes]), correct)[0]
    for k in range(1, len(codes) + 1):
        assert found[k - 1] == pytest.approx(vote(codes[:k]))


def test_answers_judged_correct_are_one_class():
    codes = np.array([[0, 1, 2, 2]])
    correct = np.array([[1.0, 1.0, 0.0, 0.0]])
    assert votes.chain_votes(codes, correct)[0].tolist() == [1, 1, 1, 0.5]


def test_chain_votes_end_at_an_ungraded_attempt():
    found = votes.chain_votes(np.array([[0, 1, 0]]), np.array([[1.0, np.nan, 1.0]]))[0]
    assert found[0] == 1
    assert np.isnan(found[1:]).all()
