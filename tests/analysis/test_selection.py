import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from simulated import attempt

from analysis.cells import chain_statistics, parallel_statistics
from analysis.config import AnalysisConfig
from analysis.estimators import answer_counts, pass_at_k
from analysis.report.tables import build_tables
from analysis.selection import (
    best_of_curve,
    inverse_entropy,
    weighted_chain_votes,
    weighted_majority,
)
from analysis.summary import summarize
from analysis.table import build_table
from analysis.terminal import print_summary
from analysis.votes import chain_votes, majority_curve


def best_of(scores, grades):
    """Reference: the mean grade of the attempts with the best score."""
    return np.mean([g for s, g in zip(scores, grades, strict=True) if s == max(scores)])


def vote(answers, weights):
    """Reference: the weighted vote; 0 is right, negative abstains, uniform ties."""
    sums = defaultdict(float)
    for answer, weight in zip(answers, weights, strict=True):
        if answer >= 0:
            sums[answer] += weight
    winners = [a for a, s in sums.items() if s > 0 and s >= max(sums.values()) - 1e-9]
    return (0 in winners) / len(winners) if winners else 0.0


def test_best_of_anchor():
    found = best_of_curve(np.array([[1.0, 2, 3, 4]]), np.array([[1.0, 0, 1, 0]]), 2)
    assert found[0] == pytest.approx([1 / 2, 1 / 3])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=7))
def test_best_of_equals_enumeration_with_ties(pairs):
    scores, grades = (np.array([column], float) for column in zip(*pairs, strict=True))
    found = best_of_curve(scores, grades, len(pairs))[0]
    for k in range(1, len(pairs) + 1):
        subsets = list(itertools.combinations(pairs, k))
        assert found[k - 1] == pytest.approx(
            np.mean([best_of(*zip(*s, strict=True)) for s in subsets])
        )


def test_best_by_grade_is_pass_at_k_and_unknown_attempts_leave_the_pool():
    rng = np.random.default_rng(0)
    grades = (rng.random((20, 9)) < 0.3).astype(float)
    k = np.arange(1, 10)
    expected = pass_at_k(9, grades.sum(axis=1)[:, None], k)
    np.testing.assert_allclose(best_of_curve(grades, grades, 9), expected, atol=1e-12)
    scores = rng.random((20, 9))
    spoiled = scores.copy()
    spoiled[:, 4] = np.nan
    kept = np.delete(np.arange(9), 4)
    found = best_of_curve(spoiled, grades, 9)
    np.testing.assert_allclose(found[:, :8], best_of_curve(scores[:, kept], grades[:, kept], 8))
    assert np.isnan(found[:, 8]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-1, 3), st.sampled_from([0.0, 0.5, 1.0, 2.5])), min_size=1, max_size=8
    )
)
def test_weighted_chain_votes_equal_the_vote_of_each_prefix(pairs):
    codes, weights = (list(column) for column in zip(*pairs, strict=True))
    correct = np.array([[float(c == 0) for c in codes]])
    found = weighted_chain_votes(np.array([codes]), correct, np.array([weights]))[0]
    for k in range(1, len(codes) + 1):
        assert found[k - 1] == pytest.approx(vote(codes[:k], weights[:k]))


def test_equal_weights_are_the_plain_vote():
    rng = np.random.default_rng(1)
    codes = rng.integers(-1, 4, (50, 8))
    correct = (codes == 0).astype(float)
    equal = np.full(codes.shape, 0.7)
    np.testing.assert_allclose(
        weighted_chain_votes(codes, correct, equal), chain_votes(codes, correct)
    )
    exact = majority_curve(
        (codes == 0).sum(axis=1), answer_counts(np.where(codes > 0, codes, -1)), np.full(50, 8), 5
    )[:, 4]
    found, error = weighted_majority(codes, correct, equal, 5, draws=4000)
    assert (np.abs(found - exact) <= 4.5 * error + 1e-9).all()


def test_weighted_majority_approaches_enumeration_and_rows_do_not_mix():
    rng = np.random.default_rng(2)
    codes, weights = rng.integers(-1, 3, (6, 7)), rng.random((6, 7))
    correct = (codes == 0).astype(float)
    found, error = weighted_majority(codes, correct, weights, 3, draws=5000)
    for row in range(6):
        pairs = list(zip(codes[row], weights[row], strict=True))
        truth = np.mean([vote(*zip(*s, strict=True)) for s in itertools.combinations(pairs, 3)])
        assert found[row] == pytest.approx(truth, abs=4.5 * error[row] + 1e-9)
    alone, _ = weighted_majority(codes[2:3], correct[2:3], weights[2:3], 3, draws=5000)
    assert alone[0] == found[2]


def test_unknown_weights_and_short_pools_give_nothing():
    codes, correct = np.zeros((1, 3), int), np.ones((1, 3))
    weights = np.array([[1.0, np.nan, 1.0]])
    assert np.isnan(weighted_chain_votes(codes, correct, weights)[0]).tolist() == [
        False,
        True,
        True,
    ]
    assert np.isnan(weighted_majority(codes, correct, weights, 2)[0]).all()
    assert np.isnan(weighted_majority(codes, correct, np.ones((1, 3)), 4)[0]).all()


def test_inverse_entropy_prefers_the_sure_attempt():
    weights = inverse_entropy(np.array([[2.0, 2.0, 0.5, 0.0]]))
    assert weights[0, :3].tolist() == [0.5, 0.5, 2.0] and np.isfinite(weights).all()
    codes = np.array([[1, 1, 0]])
    assert weighted_chain_votes(codes, np.array([[0.0, 0.0, 1.0]]), weights[:, :3])[0, 2] == 1


def graded(arm, marks, **changes):
    """One problem, a chain or pool of attempts with these (score, weight, answer)."""
    return [
        attempt(
            arm=arm, step=k, canonical=answer, correct=answer == "right", score=s, weight=w,
            **changes,
        )
        for k, (s, w, answer) in enumerate(marks, 1)
    ]  # fmt: skip


def levels(attempts, arm):
    cell = build_table(attempts).cells["toy", "base", arm]
    made = parallel_statistics(cell) if arm == "parallel" else chain_statistics(cell)
    found = {name: made.levels.get(name) for name in ("best_of_n", "weighted_vote", "majority")}
    return {name: level and float(level.values[0]) for name, level in found.items()}


@pytest.mark.parametrize("arm", ["parallel", "sequential"])
def test_what_attempts_carry_chooses_among_the_n_of_an_arm(arm):
    marks = [(0.1, 1.0, "a"), (0.9, 5.0, "right"), (0.5, 1.0, "a")]
    assert levels(graded(arm, marks), arm) == {"best_of_n": 1, "weighted_vote": 1, "majority": 0}
    light = [(0.1, 1.0, "a"), (0.2, 1.5, "right"), (0.5, 1.0, "a")]
    assert levels(graded(arm, light), arm) == {"best_of_n": 0, "weighted_vote": 0, "majority": 0}
    none = [(None, None, answer) for _, _, answer in marks]
    assert levels(graded(arm, none), arm)["best_of_n"] is None


@pytest.mark.parametrize("arm", ["parallel", "sequential"])
def test_a_failed_attempt_is_never_chosen_before_another(arm):
    made = graded(arm, [(0.1, 1.0, "right"), (0.9, 5.0, "a")])
    made[1] = replace(made[1], finish="length", answer=None, canonical=None)
    assert levels(made, arm) == {"best_of_n": 1, "weighted_vote": 1, "majority": 1}
    lost = [replace(made[0], score=None), *made[1:]]
    assert np.isnan(levels([*lost, *graded(arm, [(1, 1, "a")], problem="q")], arm)["best_of_n"])


def test_scores_stand_in_the_summary_and_the_terminal(capsys):
    marks = [(0.1, None, "a"), (0.9, None, "right"), (0.5, None, "a")]
    pair = [a for arm in ("parallel", "sequential") for a in graded(arm, marks)]
    found = summarize(pair, AnalysisConfig(resamples=100))
    arm = found["families"]["toy"]["systems"]["base"]["arms"]["sequential"]
    assert arm["best_of_n"]["estimate"] == 1 and arm["weighted_vote"] is None
    print_summary(found)
    assert "when scores or weights choose" in " ".join(capsys.readouterr().out.split())
    columns = [column.key for column in build_tables(found)["levels"].columns]
    assert "best_of_n" in columns and "weighted_vote" not in columns
