import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.embeddings import cosine_kernel, dispersion, vendi

SAMPLES = np.array([0.0, 0, 10, 10, 20, 20])


def identity_kernel(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    return (labels[:, None] == labels).astype(float)


def test_vendi_anchors():
    kernel = np.exp(-np.abs(SAMPLES[:, None] - SAMPLES))
    assert vendi(kernel) == pytest.approx(2.9999999959, abs=1e-9)
    assert vendi(identity_kernel([2, 1, 1])) == pytest.approx(2.828427, abs=1e-6)
    assert vendi(identity_kernel([2, 1, 1]), q=2) == pytest.approx(2.666667, abs=1e-6)
    # exp of the plug-in entropy of the example of R's package entropy
    counts = [4, 2, 3, 2, 4, 2, 1, 1]
    assert np.log(vendi(identity_kernel(counts))) == pytest.approx(1.968382, abs=1e-6)


def test_vendi_is_continuous_in_its_order_and_falls_with_it():
    kernel = cosine_kernel(np.random.default_rng(0).normal(size=(9, 4)))
    values = [vendi(kernel, q) for q in (0.5, 0.999999, 1, 1.000001, 2, 500, np.inf)]
    assert values[1] == pytest.approx(values[2], abs=1e-4) == values[3]
    assert values[5] == pytest.approx(values[6], rel=0.01)
    assert values == sorted(values, reverse=True)
    assert vendi(kernel, 0) == pytest.approx(4)


def test_many_kernels_at_once():
    vectors = np.random.default_rng(1).normal(size=(3, 6, 5))
    together = vendi(cosine_kernel(vectors), 2)
    assert together == pytest.approx([vendi(cosine_kernel(v), 2) for v in vectors])
    assert dispersion(vectors) == pytest.approx([float(dispersion(v)) for v in vectors])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 7), st.integers(0, 1000))
def test_dispersion_is_the_mean_over_pairs_and_ignores_lengths(n, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 3))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [1 - a @ b for a, b in itertools.combinations(units, 2)]
    assert dispersion(vectors) == pytest.approx(np.mean(pairs))
    scaled = vectors * rng.uniform(0.1, 9, (n, 1))
    assert dispersion(scaled) == pytest.approx(float(dispersion(vectors)))


def test_what_has_no_value_is_refused():
    assert np.isnan(dispersion(np.ones((1, 3))))
    with pytest.raises(ValueError, match="length 0"):
        dispersion(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="diagonal"):
        vendi(2 * np.eye(3))
