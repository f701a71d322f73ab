import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.quantiles import beta_isf, beta_sf, coin_cdf, normal_isf, t_isf, t_sf

tails = st.floats(1e-6, 1 - 1e-6)
counts = st.integers(1, 400)


@given(tails, counts, counts)
def test_they_are_those_of_scipy_stats(tail, a, b):
    assert normal_isf(tail) == pytest.approx(stats.norm.isf(tail), abs=1e-9)
    assert t_isf(tail, a) == pytest.approx(stats.t.isf(tail, a), rel=1e-8, abs=1e-9)
    assert t_sf(4 * tail, a) == pytest.approx(stats.t.sf(4 * tail, a), rel=1e-9)
    assert beta_isf(tail, a, b) == pytest.approx(stats.beta.isf(tail, a, b), rel=1e-8)
    assert beta_sf(tail, a, b) == pytest.approx(stats.beta.sf(tail, a, b), rel=1e-8, abs=1e-300)


@given(st.integers(-1, 60), st.integers(0, 60))
def test_coins_are_binomial(heads, tosses):
    heads = min(heads, tosses)
    assert coin_cdf(heads, tosses) == pytest.approx(stats.binom.cdf(heads, tosses, 0.5))


def test_no_degrees_of_freedom_have_no_quantile():
    assert np.isnan(t_isf(0.025, 0))
