import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.factorial import effect, interactions, shapley_weights


def toy(a: int, c: int, e: int) -> float:
    return 0.70 - 0.02 * a - 0.02 * c - 0.07 * e - 0.03 * c * e


TOY = np.array([[toy(cell & 1, cell >> 1 & 1, cell >> 2 & 1) for cell in range(8)]])


def test_toy_anchor():
    found = [effect(TOY, factor) for factor in range(3)]
    assert [e.shapley[0] for e in found] == pytest.approx([0.02, 0.035, 0.085])
    assert [e.first[0] for e in found] == pytest.approx([0.02, 0.02, 0.07])
    assert [e.last[0] for e in found] == pytest.approx([0.02, 0.05, 0.10])
    assert [(e.least, e.most) for e in found] == [
        pytest.approx(pair) for pair in ((0.02, 0.02), (0.02, 0.05), (0.07, 0.10))
    ]


def test_toy_interactions():
    found = {pair: extra[0] for pair, extra in interactions(TOY).items()}
    assert found == pytest.approx({(0, 1): 0.0, (0, 2): 0.0, (1, 2): 0.03}, abs=1e-12)


def test_weights_of_three_factors():
    weights = dict(enumerate(shapley_weights(3)[2]))
    # off: v(0), v(A), v(C), v(AC); on: the same with E
    assert weights == pytest.approx(
        {0: 1 / 3, 1: 1 / 6, 2: 1 / 6, 3: 1 / 3, 4: -1 / 3, 5: -1 / 6, 6: -1 / 6, 7: -1 / 3}
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(0, 10_000))
def test_shares_sum_to_the_gap_and_lie_within_their_orders(factors, seed):
    values = np.random.default_rng(seed).random((5, 2**factors))
    found = [effect(values, factor) for factor in range(factors)]
    total = values[:, 0] - values[:, -1]
    np.testing.assert_allclose(sum(e.shapley for e in found), total, atol=1e-12)
    for e in found:
        assert e.least - 1e-12 <= e.shapley.mean() <= e.most + 1e-12
        assert e.least <= e.first.mean() + 1e-12 and e.last.mean() <= e.most + 1e-12


def test_a_missing_cell_leaves_what_does_not_need_it():
    values = np.array([[0.7, 0.6, np.nan, 0.4]] * 3)
    context, exposure = effect(values, 0), effect(values, 1)
    assert context.shapley is None and exposure.shapley is None
    assert context.first == pytest.approx(0.1) and context.last is None
    assert exposure.first is None and exposure.last == pytest.approx(0.2)
    assert context.separable is None
    assert interactions(values) == {}


def test_a_sign_that_flips_is_not_separable():
    values = np.array([[0.7, 0.6, 0.5, 0.6]])
    assert effect(values, 0).separable is False
    assert effect(TOY, 1).separable is True
