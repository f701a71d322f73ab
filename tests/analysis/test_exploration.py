import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import exploration
from analysis.estimators import answer_counts, pass_at_k

SIX_AND_EIGHT = [0.6] + [0.05] * 8
ZIPF = (1 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum()).tolist()


def chao_wang_jost(counts):
    """Reference: the formula as published, term by term."""
    n, f1, f2 = sum(counts), counts.count(1), counts.count(2)
    seen = sum(c / n * sum(1 / k for k in range(c, n)) for c in counts)
    if f1 == 0 or (f1 == 1 and f2 == 0):
        return seen
    a = 2 * f2 / ((n - 1) * f1 + 2 * f2) if f2 else 2 / ((n - 1) * (f1 - 1) + 2)
    tail = -math.log(a) - sum((1 - a) ** r / r for r in range(1, n))
    return seen + f1 / n * (1 - a) ** (1 - n) * tail


@pytest.mark.parametrize(
    "counts",
    [[20, 5, 3, 2, 2, 1, 1, 1], [30, 1, 1], [40, 1], [35], [1] * 40, [30, 2, 2, 2], [1] * 400],
)
def test_entropy_is_the_published_formula(counts):
    expected = chao_wang_jost(counts)
    assert exploration.entropy(np.array([counts]))[0] == pytest.approx(expected, abs=1e-8)


def test_entropy_loses_no_digits_where_the_published_formula_cancels():
    # (1 - A)^(1-n) times a tail of (1 - A)^n / n (1 + ...): the leading terms by hand
    counts = np.array([[396, 1, 1, 1, 2]])
    n = 401
    a = 2 / ((n - 1) * 3 + 2)
    tail = sum((1 - a) ** (m + 1) / (n + m) for m in range(60_000))
    seen = sum(c / n * sum(1 / k for k in range(c, n)) for c in counts[0])
    assert exploration.entropy(counts)[0] == pytest.approx(seen + 3 / n * tail, abs=1e-9)


@pytest.mark.parametrize(
    ("shares", "n", "bias"),
    [(SIX_AND_EIGHT, 32, 0.01), (SIX_AND_EIGHT, 64, 0.01), (ZIPF, 64, -0.05)],
)
def test_bias_of_the_entropy_is_as_documented(shares, n, bias):
    draws = np.random.default_rng(0).multinomial(n, shares, 4000)
    truth = -sum(p * math.log(p) for p in shares)
    assert exploration.entropy(draws).mean() - truth == pytest.approx(bias, abs=0.015)


def test_entropy_is_not_given_below_32_attempts():
    assert np.isnan(exploration.entropy(np.array([[20, 11], [0, 0]]))).all()


def test_missing_mass_is_that_before_the_last_attempt():
    shares = np.array(SIX_AND_EIGHT)
    draws = np.random.default_rng(1).multinomial(32, shares, 4000)
    truth = (shares * (1 - shares) ** 31).sum()
    assert exploration.missing_mass(draws).mean() == pytest.approx(truth, abs=0.003)
    assert np.isnan(exploration.missing_mass(np.array([[0, 0]])))[0]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(1, 4), st.integers(0, 1000))
def test_chain_collision_is_the_share_of_agreeing_pairs(chains, steps, seed):
    codes = np.random.default_rng(seed).integers(-1, 3, (2, chains, steps))
    for problem, found in zip(codes, exploration.chain_collision(codes), strict=True):
        pairs = [(a == b) & (a >= 0) for a, b in itertools.combinations(problem, 2)]
        assert found == pytest.approx(np.mean(pairs))


def test_one_chain_says_nothing_of_agreement():
    assert np.isnan(exploration.chain_collision(np.zeros((3, 1, 4), int))).all()


def test_independent_attempts_carry_no_information_from_step_to_step():
    rng = np.random.default_rng(2)
    for shape in ((4000, 1, 9), (2000, 2, 8), (300, 4, 32)):
        found = exploration.step_information(rng.choice(9, shape, p=SIX_AND_EIGHT))
        assert abs(found.mean()) < 4.5 * found.std() / len(found) ** 0.5
        assert abs(found.mean()) < 0.01


def test_information_grows_with_the_reuse_of_answers():
    rng = np.random.default_rng(3)
    means = []
    for reuse in (0.0, 0.4, 0.8):
        codes = rng.integers(0, 6, (300, 4, 12))
        for step in range(1, 12):
            keep = rng.random((300, 4)) < reuse
            codes[:, :, step] = np.where(keep, codes[:, :, step - 1], codes[:, :, step])
        means.append(exploration.step_information(codes).mean())
    assert means[1] > means[0] + 0.05 and means[2] > means[1] + 0.2


def test_information_of_an_alternation_is_its_entropy_less_chance():
    codes = np.tile([0, 1], 500)[None, None, :]
    found = exploration.step_information(codes)[0]
    assert found == pytest.approx(math.log(2), abs=0.01)
    assert exploration.step_information(np.zeros((1, 2, 6), int))[0] == pytest.approx(0, abs=1e-12)


def test_information_ignores_names_and_missing_answers():
    rng = np.random.default_rng(4)
    codes = rng.integers(-1, 4, (20, 2, 10))
    renamed = np.where(codes < 0, -1, 50 - 7 * codes)
    found = exploration.step_information(codes)
    np.testing.assert_allclose(found, exploration.step_information(renamed), atol=1e-12)
    nothing = exploration.step_information(np.full((2, 2, 5), -1))
    assert (nothing == 0).all()
    assert np.isnan(exploration.step_information(codes[:, :, :1])).all()


def test_growth_and_area_of_a_line_in_log_k():
    curve = 0.2 + 0.1 * np.log2(np.arange(1, 9))
    assert exploration.per_doubling(curve) == pytest.approx(0.1)
    assert exploration.log_area(curve) == pytest.approx(0.35)
    assert exploration.log_area(curve[:1]) == pytest.approx(0.2)
    assert np.isnan(exploration.per_doubling(curve[:1]))


def ideal(bag, steps):
    codes = np.array([bag])
    wrong = answer_counts(np.where(codes > 0, codes, -1))
    right, n = (codes == 0).sum(axis=1), np.array([len(bag)])
    return exploration.ideal_coverage(right, wrong, n, steps)[0]


@pytest.mark.parametrize(
    "bag", [[0, 0, 1, 1, 1, 2, 3], [0, 1, 1, 2, 3, 4, 4], [1, 1, 2], [0, 0, 0]]
)
def test_ideal_coverage_is_the_rank_of_first_appearance_in_random_order(bag):
    orders = list(itertools.permutations(bag))
    ranks = [list(dict.fromkeys(o)).index(0) if 0 in o else len(bag) for o in orders]
    expected = [np.mean([rank < k for rank in ranks]) for k in range(1, len(bag) + 1)]
    assert ideal(bag, len(bag)) == pytest.approx(expected, abs=1e-6)


def test_ideal_coverage_with_attempts_without_an_answer():
    bag, k = [0, 1, 1, 2, -1, -1], 3
    valid = [x for x in bag if x >= 0]
    ranks = [list(dict.fromkeys(o)).index(0) for o in itertools.permutations(valid)]
    answered = [sum(x >= 0 for x in s) for s in itertools.combinations(bag, k)]
    expected = np.mean([np.mean([rank < a for rank in ranks]) for a in answered])
    assert ideal(bag, k)[k - 1] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-1, 9), min_size=1, max_size=40))
def test_ideal_coverage_is_never_below_independent_draws(bag):
    steps = min(8, len(bag))
    found = ideal(bag, steps)
    independent = pass_at_k(len(bag), bag.count(0), np.arange(1, steps + 1))
    assert (found >= independent - 1e-6).all() and (found <= 1 + 1e-9).all()
    assert (np.diff(found) >= -1e-9).all()
    assert found[0] == pytest.approx(independent[0], abs=1e-6)


@pytest.mark.parametrize("sizes", [(3, [300, 20, 10]), (900, [1, 1, 2]), (1, [1] * 30)])
def test_ideal_coverage_is_exact_at_uneven_sizes(sizes):
    correct, others = sizes
    nodes, weights = np.polynomial.legendre.leggauss((correct + sum(others)) // 2 + 1)
    y, earlier = (nodes + 1) / 2, np.zeros((len(nodes), 9))
    earlier[:, 0] = 1
    for size in others:
        late = (y**size)[:, None]
        earlier[:, 1:] = earlier[:, 1:] * late + earlier[:, :-1] * (1 - late)
        earlier[:, :1] *= late
    density = weights / 2 * correct * y ** (correct - 1)
    expected = np.cumsum(density @ earlier)[:8]
    arrays = (np.array([correct]), np.array([others]), np.array([correct + sum(others)]))
    assert exploration.ideal_coverage(*arrays, 8)[0] == pytest.approx(expected, abs=1e-6)


def test_ideal_coverage_beyond_the_pool_is_unknown_and_rows_do_not_mix():
    right, others, n = np.array([1, 3, 1]), np.array([[1], [2], [1]]), np.array([2, 6, 2])
    found = exploration.ideal_coverage(right, others, n, 4)
    assert np.isnan(found[0, 2:]).all() and not np.isnan(found[1]).any()
    np.testing.assert_array_equal(found[0], found[2])


def test_a_pool_with_few_answers_is_exhausted():
    counts = np.array([[5, 3, 0], [4, 3, 1], [0, 0, 0]])
    found = exploration.exhausted(counts, 2)
    assert found[:2].tolist() == [1, 0] and np.isnan(found[2])
