import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import simulate

from analysis.config import AnalysisConfig
from analysis.embeddings import cosine_kernel, dispersion, read_vectors, trace_levels, vendi
from analysis.report.tables import build_tables
from analysis.summary import summarize
from analysis.table import build_table
from analysis.terminal import print_summary
from sample.errors import UsageError

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


ARMS = {("base", "parallel"): 0.0, ("base", "sequential"): 0.5}


def one_hot(attempts):
    """A trace is its answer: then the Vendi score of order 2 is that of the answers' counts."""
    return np.eye(6)[[int(a.canonical) for a in attempts]]


def levels(attempts, vectors, arm):
    cell = build_table(attempts).cells["toy", "base", arm]
    return trace_levels(cell, vectors, arm == "parallel")


def test_traces_are_those_of_their_records_in_any_order():
    attempts = list(simulate(ARMS, problems=5))
    vectors = one_hot(attempts)
    mixed = np.random.default_rng(0).permutation(len(attempts))
    for arm in ("parallel", "sequential"):
        whole = levels(attempts, vectors, arm)
        other = levels([attempts[i] for i in mixed], vectors[mixed], arm)
        for name in ("trace_dispersion", "trace_vendi"):
            assert whole[name].values == pytest.approx(other[name].values)


def test_a_pool_is_compared_across_its_groups_and_a_chain_within_itself():
    attempts = list(simulate(ARMS, problems=3, replicates=2, steps=4))
    vectors = one_hot(attempts)
    for arm, sets in (("parallel", 1), ("sequential", 2)):
        found = levels(attempts, vectors, arm)
        rows = [i for i, a in enumerate(attempts) if a.arm == arm and a.problem == "p0001"]
        groups = np.array_split(vectors[rows], 2)
        apart = [dispersion(group) for group in np.array_split(vectors[rows], sets)]
        assert found["trace_dispersion"].values[1] == pytest.approx(np.mean(apart))
        scores = [vendi(cosine_kernel(group), 2) for group in groups]
        assert found["trace_vendi"].values[1] == pytest.approx(np.mean(scores))


def test_an_attempt_without_a_trace_is_left_out():
    vectors = np.array([[1.0, 0], [np.nan, np.nan], [0, 1]])
    assert dispersion(vectors) == pytest.approx(1.0)
    attempts = [a for a in simulate(ARMS, problems=1, replicates=1, steps=3) if a.arm == "parallel"]
    found = levels(attempts, vectors, "parallel")
    assert found["trace_dispersion"].values[0] == pytest.approx(1.0)
    assert np.isnan(found["trace_vendi"].values[0])


def test_vectors_are_read_by_rows_and_others_refused(tmp_path):
    path = tmp_path / "v.npy"
    np.save(path, np.array([[1, 2], [0, 0]]))
    assert np.isnan(read_vectors(path, 2)).tolist() == [[False, False], [True, True]]
    for bad, says in ((np.ones((3, 2)), r"shape \[2, dimension\]"), (np.ones(2), "given: .2,")):
        np.save(path, bad)
        with pytest.raises(UsageError, match=says):
            read_vectors(path, 2)
    path.write_text("no")
    with pytest.raises(UsageError, match=r"as \.npy"):
        read_vectors(path, 2)


def test_traces_stand_in_summary_terminal_and_report(capsys):
    attempts = list(simulate(ARMS, problems=12))
    found = summarize(attempts, AnalysisConfig(resamples=100), vectors=one_hot(attempts))
    arms = found["families"]["toy"]["systems"]["base"]["arms"]
    for name in ("trace_dispersion", "trace_vendi"):
        assert arms["parallel"][name]["estimate"] > arms["sequential"][name]["estimate"]
    print_summary(found)
    assert "base/sequential" in capsys.readouterr().out
    assert "trace_vendi" in [column.key for column in build_tables(found)["exploration"].columns]
    plain = summarize(attempts, AnalysisConfig(resamples=100))
    assert plain["families"]["toy"]["systems"]["base"]["arms"]["parallel"]["trace_vendi"] is None
