from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.grading import Grade
from train.config import QUALITIES, MethodConfig
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
METHODS = st.builds(
    MethodConfig,
    novelty=st.floats(0.1, 2),
    gated=st.booleans(),
    quality=st.fixed_dictionaries({"toy": st.sampled_from(QUALITIES)}),
)


@given(METHODS, HISTORIES, GROUPS)
def test_malformed_and_truncated_attempts_earn_nothing_and_rewards_keep_their_range(
    method, history, attempts
):
    for attempt, reward in zip(
        attempts, group_rewards(method, "toy", history, attempts), strict=True
    ):
        assert 0 <= reward <= 1 + method.novelty
        if attempt.canonical is None:
            assert reward == 0


@given(METHODS, HISTORIES, GROUPS, st.randoms())
def test_a_reward_depends_on_the_set_of_attempts_not_on_their_order(
    method, history, attempts, random
):
    paid = list(zip(attempts, group_rewards(method, "toy", history, attempts), strict=True))
    random.shuffle(paid)
    shuffled = [attempt for attempt, _ in paid]
    assert group_rewards(method, "toy", history, shuffled) == pytest.approx([r for _, r in paid])


@given(HISTORIES, GROUPS)
def test_the_gate_pays_correct_answers_and_changes_nothing_else(history, attempts):
    pairs = zip(novelty(history, attempts, True), novelty(history, attempts, False), strict=True)
    for attempt, (gated, plain) in zip(attempts, pairs, strict=True):
        assert gated == (1 if history and attempt.correct else plain)


def test_novelty_pays_what_the_history_does_not_hold():
    assert novelty([A, MALFORMED], [A, B, B, RIGHT, MALFORMED], gated=True) == [0, 1, 1, 1, 0]
    assert novelty([A, RIGHT], [A, B, RIGHT], gated=True) == [0, 1, 1]
    assert novelty([A, RIGHT], [A, B, RIGHT], gated=False) == [0, 1, 0]
    assert novelty([], [A, B], gated=False) == [0, 0]


def test_combined_adds_the_weighted_novelty_after_a_history_only():
    method = MethodConfig(novelty=0.5, quality={"toy": "distinct"})
    attempts = [A, B, RIGHT, RIGHT]
    assert group_rewards(method, "toy", [A], attempts) == [0, 0.5, 1, 1]
    assert group_rewards(method, "toy", [], attempts) == [0, 0, 0.5, 0.5]
    assert group_rewards(method, "other", [A], attempts) == [0, 0.5, 1.5, 1.5]


@given(st.lists(GRADES, min_size=1, max_size=8))
def test_marginal_rewards_of_a_chain_sum_to_its_coverage(chain):
    paid = [marginal(chain[:k], [attempt])[0] for k, attempt in enumerate(chain)]
    assert sum(paid) == any(attempt.correct for attempt in chain)


def test_marginal_quality_ends_with_the_first_correct_answer_of_the_history():
    method = MethodConfig(quality={"toy": "marginal"})
    for family, paid in {"toy": [0, 0, 0], "other": [1, 1, 0]}.items():
        attempts = [RIGHT, OTHER_RIGHT, B]
        assert group_rewards(method, family, [A, RIGHT], attempts) == paid


@given(HISTORIES, GROUPS)
def test_without_novelty_only_correctness_pays(history, attempts):
    assert group_rewards(MethodConfig(), "toy", history, attempts) == correctness(attempts)


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
