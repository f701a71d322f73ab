from dataclasses import replace
from itertools import product
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sample.grading import Grade
from train.groups import Group
from train.method_config import GATES, MEASURES, QUALITIES, RewardConfig
from train.rewards.combined import reward_parts
from train.rewards.correctness import correctness
from train.rewards.coverage import coverage
from train.rewards.crowding import crowding
from train.rewards.distance import distance
from train.rewards.distinct import distinct
from train.rewards.length import length
from train.rewards.marginal import marginal
from train.rewards.newness import by_class
from train.rewards.novelty import novelty as novelty_of
from train.rewards.repetition import repetition
from train.rewards.unlikely import unlikely

A, B, C = (Grade(name, name, False) for name in "abc")
RIGHT, OTHER_RIGHT = Grade("r", "r", True), Grade("s", "s", True)
MALFORMED, TRUNCATED = Grade("?", None, False), Grade(None, None, False)
GRADES = st.sampled_from([A, B, C, RIGHT, OTHER_RIGHT, MALFORMED, TRUNCATED])
GROUPS = st.lists(GRADES, min_size=2, max_size=8)
HISTORIES = st.lists(GRADES, max_size=7)
VECTORS = dict(zip("abcrs?", [(1, 0), (1, 1), (0, -1), (2, 1), (-1, 2), (1, 3)], strict=True))
VECTORS[""] = (0, 0)
WEIGHTS = st.sampled_from([0.0, 0.5, 2.0])
REWARDS = st.builds(
    RewardConfig,
    st.sampled_from(QUALITIES),
    st.floats(0.1, 2),
    st.sampled_from(GATES),
    unlikely=st.sampled_from([0.0, 0.25, 1.0]),
    crowding=WEIGHTS,
    repetition=WEIGHTS,
    length=WEIGHTS,
    measure=st.sampled_from(MEASURES),
)


def group_of(history, attempts):
    """Lengths and likelihoods that follow from the attempts, so that any order is the same set."""
    lengths = tuple(ord((a.answer or "z")[0]) for a in attempts)
    logps = tuple(-n / 7 for n in lengths)
    texts = [[a.answer or "" for a in some] for some in (history, attempts)]
    vectors = [np.array([VECTORS[t] for t in some]).reshape(-1, 2) for some in texts]
    return Group(
        "f", tuple(history), tuple(attempts), lengths, logps, tuple(texts[0]), tuple(texts[1]),
        *vectors,
    )  # fmt: skip


def novelty(history, attempts, gate):
    return novelty_of(history, attempts, by_class(history, attempts), gate)


def group_rewards(reward, history, attempts):
    parts = reward_parts(reward, group_of(history, attempts))
    return [sum(amounts) for amounts in zip(*parts.values(), strict=True)]


@given(REWARDS, HISTORIES, GROUPS)
def test_parts_keep_their_range_and_malformed_attempts_earn_nothing(reward, history, attempts):
    parts = reward_parts(reward, group_of(history, attempts))
    paying = {name for name in ("novelty", "crowding", "repetition", "length")
              if getattr(reward, name)}  # fmt: skip
    assert set(parts) == {"quality"} | paying
    ends = {
        "quality": (0, 1),
        "novelty": (0, reward.novelty),
        "crowding": (-reward.crowding, 0),
        "repetition": (-reward.repetition, 0),
        "length": (-reward.length / 2, reward.length / 2),
    }
    for name, amounts in parts.items():
        least, most = ends[name]
        assert all(least <= amount <= most for amount in amounts)
        for attempt, amount in zip(attempts, amounts, strict=True):
            assert attempt.canonical is not None or amount <= 0


@given(REWARDS, HISTORIES, GROUPS)
def test_no_malformed_attempt_earns_more_than_a_well_formed_wrong_one(reward, history, attempts):
    """Of equal length, so that being malformed is no way out of a penalty."""
    same = {"lengths": (3,) * len(attempts), "logps": (0.0,) * len(attempts)}
    group = replace(group_of(history, attempts), **same)
    parts = reward_parts(reward, group).values()
    paid = [sum(amounts) for amounts in zip(*parts, strict=True)]
    bad = [p for p, a in zip(paid, attempts, strict=True) if a.canonical is None]
    wrong = [p for p, a in zip(paid, attempts, strict=True) if a.canonical and not a.correct]
    assert not bad or not wrong or max(bad) <= min(wrong) + 1e-12


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


@given(GROUPS)
def test_distance_is_quality_times_the_mean_distance_to_the_others(attempts):
    """As the paper writes it, sum over pairs and all."""
    for i, (one, paid) in enumerate(zip(attempts, distance(attempts), strict=True)):
        apart = [one.canonical != other.canonical for j, other in enumerate(attempts) if j != i]
        assert paid == pytest.approx(one.correct * sum(apart) / len(apart))


def test_distance_of_two_right_answers():
    group = [RIGHT, RIGHT, OTHER_RIGHT, A, MALFORMED]
    assert distance(group) == [3 / 4, 3 / 4, 1, 0, 0]
    assert distance([RIGHT, RIGHT]) == distance([A, A]) == [0, 0]


@given(st.lists(st.sampled_from([A, B, RIGHT, MALFORMED]), min_size=2, max_size=8))
def test_distance_is_coverage_of_two_where_one_answer_is_right(attempts):
    assert distance(attempts) == pytest.approx(coverage(attempts, 2))


def slope_over_groups(size, p, paid):
    """E[sum of reward x d log prob / dp] by enumeration of all 2^size outcomes of a group."""
    total = 0.0
    for outcome in product([True, False], repeat=size):
        chance = p ** sum(outcome) * (1 - p) ** (size - sum(outcome))
        rewards = paid([RIGHT if right else A for right in outcome])
        scores = [1 / p if right else -1 / (1 - p) for right in outcome]
        total += chance * sum(r * s for r, s in zip(rewards, scores, strict=True))
    return total


SIZES = [(n, k) for n in (2, 5, 8) for k in range(1, n + 1)]


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize("p", [0.05, 0.4, 0.9])
def test_coverage_is_unbiased_for_the_gradient_of_pass_at_k_for_every_k(n, k, p):
    """PKPO: k/n x the reward; pass@k = 1 - (1-p)^k has the slope k (1-p)^(k-1)."""
    mean = slope_over_groups(n, p, lambda attempts: coverage(attempts, k))
    assert mean * k / n == pytest.approx(k * (1 - p) ** (k - 1))


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize("p", [0.05, 0.4, 0.9])
def test_coverage_has_pkpos_own_slope_without_its_baseline(n, k, p):
    """PKPO's plain reward: k/n if correct, else k/n x pass@(k-1) of the others. Same mean."""

    def plain(attempts):
        wrong = n - sum(a.correct for a in attempts)
        # Only read for a wrong attempt, so that one at least is.
        others = 1 - comb(max(0, wrong - 1), k - 1) / comb(n - 1, k - 1)
        return [k / n * (1.0 if a.correct else others) for a in attempts]

    mean = slope_over_groups(n, p, lambda attempts: coverage(attempts, k))
    assert mean * k / n == pytest.approx(slope_over_groups(n, p, plain))


@pytest.mark.parametrize(("n", "k"), SIZES)
@pytest.mark.parametrize("p", [0.05, 0.4, 0.9])
def test_what_the_group_mean_does_to_the_slope_of_coverage(n, k, p):
    def centred(attempts):
        paid = coverage(attempts, k)
        return [one - sum(paid) / n for one in paid]

    expected = (n - 1) * (1 - p) ** (k - 1)
    if k > 1:
        expected += (k - 1) * p * (1 - p) ** (k - 2)
    assert slope_over_groups(n, p, centred) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (4, 1), (4, 2), (4, 3), (4, 4)])
def test_coverage_has_the_gradient_of_pass_at_k_unless_the_groups_mean_is_subtracted(n, k):
    """Over all 4^n groups of a policy over four answers, by its logits."""
    answers = [RIGHT, OTHER_RIGHT, A, MALFORMED]
    logits = torch.tensor([0.3, -0.5, 0.1, -1.2], dtype=torch.float64, requires_grad=True)
    logps = logits.log_softmax(0)

    def gradient(of):
        return torch.autograd.grad(of, logits, retain_graph=True)[0]

    def estimate(centred):
        total = logits.new_zeros(())
        for outcome in map(list, product(range(4), repeat=n)):
            paid = torch.tensor(coverage([answers[i] for i in outcome], k), dtype=torch.float64)
            advantages = paid - paid.mean() if centred else paid
            total = total + logps[outcome].sum().exp().detach() * (advantages @ logps[outcome])
        return gradient(total)

    passed = gradient(1 - (1 - logps[:2].exp().sum()) ** k)
    torch.testing.assert_close(estimate(False) * k / n, passed)
    assert not torch.allclose(estimate(True) * k / n, passed)


@given(GROUPS)
def test_coverage_of_one_is_correctness_and_half_the_group_is_the_default(attempts):
    assert coverage(attempts, 1) == correctness(attempts)
    half = RewardConfig("coverage", k=max(1, len(attempts) // 2))
    assert group_rewards(half, [], attempts) == group_rewards(
        RewardConfig("coverage"), [], attempts
    )


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=8), st.sampled_from([0.25, 1.0]))
def test_unlikely_attempts_keep_more_of_their_quality(logps, weight):
    factors = unlikely(logps, weight)
    size = len(logps)
    # The ranks of a group are 0..G-1, however ties fall.
    assert sum(factors) == pytest.approx(size - weight * (size + 1) / 2)
    for one, factor in zip(logps, factors, strict=True):
        assert 1 - weight - 1e-12 <= factor <= 1 - weight / size + 1e-12
        assert all(factor <= f for o, f in zip(logps, factors, strict=True) if o <= one)


def test_the_unlikeliness_of_the_paper():
    assert unlikely([-1.0, -3.0, -2.0, -9.0], 0.25) == [0.75, 0.875, 0.8125, 0.9375]


@given(GROUPS)
def test_crowding_sums_to_the_pairs_of_equal_answers(attempts):
    formed = [a for a in attempts if a.canonical is not None]
    pairs = sum(a.canonical == b.canonical for a in formed for b in formed) - len(formed)
    bad = len(attempts) - len(formed)
    expected = -(pairs + bad * (len(attempts) - 1)) / len(attempts)
    assert sum(crowding(attempts)) == pytest.approx(expected)


@given(st.lists(GRADES, min_size=1, max_size=7), GROUPS)
def test_repetition_is_ungated_novelty_over_the_length_of_the_chain(history, attempts):
    """Up to what all attempts of the group have in common, which the trainer subtracts."""
    fined, new = repetition(history, attempts), novelty(history, attempts, "none")
    common = {round(f - n / (len(history) + 1), 12) for f, n in zip(fined, new, strict=True)}
    assert len(common) == 1 and repetition([], attempts) == [0] * len(attempts)


def test_repetition_is_the_penalty_of_the_paper():
    assert repetition([A, A, B], [A, C]) == [2 / 4 - 1, 3 / 4 - 1]


def test_length_pays_short_correct_attempts_and_never_a_wrong_one():
    assert length([RIGHT, RIGHT, A, A], [10, 30, 10, 30]) == [0.5, -0.5, 0, -0.5]
    assert length([RIGHT, A], [10, 10]) == [0, 0]
