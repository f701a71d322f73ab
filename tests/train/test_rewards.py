from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.grading import Grade
from train.config import GATES, QUALITIES, RewardConfig
from train.rewards.combined import group_rewards
from train.rewards.correctness import correctness
from train.rewards.coverage import coverage
from train.rewards.distinct import distinct
from train.rewards.marginal import marginal
from train.rewards.novelty import novelty

A, B, C = (Grade(name, name, False) for name in "abc")
RIGHT, OTHER_RIGHT = Grade("r", "r", True), Grade("s", "s", True)
MALFORMED, TRUNCATED = Grade("?", None, False), Grade(None, None, False)
GRADES = st.sampled_from([A, B, C, RIGHT, OTHER_RIGHT, MALFORMED, TRUNCATED])
GROUPS = st.lists(GRADES, min_size=2, max_size=8)
HISTORIES = st.lists(GRADES, max_size=7)
REWARDS = st.builds(
    RewardConfig, st.sampled_from(QUALITIES), st.floats(0.1, 2), st.sampled_from(GATES)
)


@given(REWARDS, HISTORIES, GROUPS)
def test_malformed_and_truncated_attempts_earn_nothing_and_rewards_keep_their_range(
    reward, history, attempts
):
    for attempt, paid in zip(attempts, group_rewards(reward, history, attempts), strict=True):
        assert 0 <= paid <= 1 + reward.novelty
        if attempt.canonical is None:
            assert paid == 0


@given(REWARDS, HISTORIES, GROUPS, st.randoms())
def test_a_reward_depends_on_the_set_of_attempts_not_on_their_order(
    reward, history, attempts, random
):
    paid = list(zip(attempts, group_rewards(reward, history, attempts), strict=True))
    random.shuffle(paid)
    shuffled = [attempt for attempt, _ in paid]
    assert group_rewards(reward, history, shuffled) == pytest.approx([r for _, r in paid])


@given(HISTORIES, GROUPS)
def test_the_gate_closes_once_the_history_is_solved(history, attempts):
    solved = any(grade.correct for grade in history)
    expected = [0.0] * len(attempts) if solved else novelty(history, attempts, "none")
    assert novelty(history, attempts, "solved") == expected


@given(HISTORIES, GROUPS)
def test_the_gate_on_wrong_answers_pays_correct_ones_and_changes_nothing_else(history, attempts):
    pairs = zip(
        novelty(history, attempts, "wrong"), novelty(history, attempts, "none"), strict=True
    )
    for attempt, (gated, plain) in zip(attempts, pairs, strict=True):
        assert gated == (1 if history and attempt.correct else plain)


def test_novelty_pays_what_the_history_does_not_hold():
    assert novelty([A, MALFORMED], [A, B, B, RIGHT, MALFORMED], "solved") == [0, 1, 1, 1, 0]
    assert novelty([A, RIGHT], [A, B, RIGHT], "wrong") == [0, 1, 1]
    assert novelty([A, RIGHT], [A, B, RIGHT], "none") == [0, 1, 0]
    assert novelty([], [A, B], "none") == [0, 0]


def test_combined_adds_the_weighted_novelty_after_a_history_only():
    attempts = [A, B, RIGHT, RIGHT]
    distinct_and_new = RewardConfig("distinct", novelty=0.5)
    assert group_rewards(distinct_and_new, [A], attempts) == [0, 0.5, 1, 1]
    assert group_rewards(distinct_and_new, [], attempts) == [0, 0, 0.5, 0.5]


@given(st.lists(GRADES, min_size=1, max_size=8))
def test_marginal_rewards_of_a_chain_sum_to_its_coverage(chain):
    paid = [marginal(chain[:k], [attempt])[0] for k, attempt in enumerate(chain)]
    assert sum(paid) == any(attempt.correct for attempt in chain)


def test_marginal_quality_ends_with_the_first_correct_answer_of_the_history():
    for quality, paid in {"marginal": [0, 0, 0], "correct": [1, 1, 0]}.items():
        attempts = [RIGHT, OTHER_RIGHT, B]
        assert group_rewards(RewardConfig(quality), [A, RIGHT], attempts) == paid


@given(HISTORIES, GROUPS)
def test_a_family_without_rewards_of_its_own_is_paid_for_correctness(history, attempts):
    assert group_rewards(RewardConfig(), history, attempts) == correctness(attempts)


@given(GROUPS)
def test_equal_correct_answers_share_one_credit(attempts):
    different = {attempt.canonical for attempt in attempts if attempt.correct}
    assert sum(distinct(attempts)) == pytest.approx(len(different))


@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("p", [0.05, 0.4, 0.9])
def test_coverage_has_the_gradient_of_pass_at_k(n, p):
    """Exact mean, over c ~ Bin(n, p), of sum of reward x d log prob / dp, against d pass@k / dp."""
    k = n // 2
    mean = 0.0
    for c in range(n + 1):
        paid = coverage([RIGHT] * c + [A] * (n - c))
        slope = sum(paid[:c]) / p - sum(paid[c:]) / (1 - p)
        mean += comb(n, c) * p**c * (1 - p) ** (n - c) * slope
    # Each attempt estimates d pass@k / dp divided by k.
    assert mean == pytest.approx(n * (1 - p) ** (k - 1))
