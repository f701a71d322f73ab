"""What others publish, as the benchmark runs it, gives the numbers that ours gives."""

import numpy as np

from analysis.estimators import pass_at_k
from benchmarks.analysis import human_eval


def test_pass_at_k_is_human_evals_over_the_whole_grid():
    for n in (1, 2, 6, 30, 200):
        corrects = np.arange(n + 1)
        for k in range(1, n + 1, 1 + n // 20):
            expected = human_eval(np.full(n + 1, n), corrects, k)
            np.testing.assert_allclose(pass_at_k(n, corrects, k), expected, rtol=0, atol=1e-11)
