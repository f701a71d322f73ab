"""What others publish, as the benchmark runs it, gives the numbers that ours gives."""

import dataclasses

import numpy as np
import pytest

from analysis.estimators import pass_at_k
from benchmarks.peers import human_eval, pairs, row


def test_pass_at_k_is_human_evals_over_the_whole_grid():
    for n in (1, 2, 6, 30, 200):
        corrects = np.arange(n + 1)
        for k in range(1, n + 1, 1 + n // 20):
            expected = human_eval(np.full(n + 1, n), corrects, k)
            np.testing.assert_allclose(pass_at_k(n, corrects, k), expected, rtol=0, atol=1e-11)


def test_a_row_needs_equal_results_and_says_what_is_not_installed(monkeypatch):
    monkeypatch.setattr("benchmarks.peers.LEAST", 0)
    pair = next(pair for pair in pairs() if pair.name == "TOST")
    assert len(row(pair)) == 6
    assert row(dataclasses.replace(pair, theirs=None))[3:] == ("not installed", "", "")
    with pytest.raises(SystemExit, match="differs"):
        row(dataclasses.replace(pair, theirs=lambda: 0.5))
