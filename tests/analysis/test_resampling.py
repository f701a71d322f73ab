import numpy as np
import pytest
from arch.bootstrap import IIDBootstrap
from scipy import stats
from test_intervals import MAIZE

from analysis.config import AnalysisConfig
from analysis.inference import infer
from analysis.resampling import (
    max_t_quantile,
    resampled_means,
    sign_flip_p,
    two_level_bootstrap,
)
from analysis.statistic import Statistic, over_replicates


def flip(d, resamples=10_000, seed=0):
    return sign_flip_p(np.asarray(d, float)[:, None], resamples, seed)[0]


def test_exact_sign_flip_anchors():
    assert flip(MAIZE, 2**15) == 1726 / 32768
    extra = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert flip(extra) == 4 / 1024


def test_exact_sign_flip_agrees_with_scipy():
    d = np.random.default_rng(0).normal(0.3, 1, 11)
    oracle = stats.permutation_test((d,), np.mean, permutation_type="samples").pvalue
    assert flip(d) == pytest.approx(oracle)


def test_random_sign_flip_approaches_the_exact_p():
    p = flip(MAIZE, 20_000)
    assert p == pytest.approx(1726 / 32768, abs=4 * (0.05 * 0.95 / 20_000) ** 0.5)


def test_p_is_uniform_under_a_symmetric_null():
    rng = np.random.default_rng(1)
    d = rng.standard_t(3, (40, 600))
    p = sign_flip_p(d, 999, 0)
    assert stats.kstest(p, "uniform").pvalue > 0.001


def test_no_difference_at_all_has_p_one():
    assert flip(np.zeros(8)) == 1
    assert flip(np.zeros(50)) == 1


def test_signs_are_the_same_for_the_same_seed_only():
    d = np.random.default_rng(2).normal(0.1, 1, 60)
    assert flip(d, seed=3) == flip(d, seed=3)
    assert flip(d, seed=3) != flip(d, seed=4)


def test_one_contrast_has_nearly_the_t_quantile_and_copies_cost_nothing():
    d = np.random.default_rng(6).normal(0.3, 1, (80, 1))
    alone = max_t_quantile(d, 20_000, 0, 0.05)
    assert alone == pytest.approx(stats.t.isf(0.025, 79), abs=0.06)
    assert max_t_quantile(np.hstack([d, 2 * d, -d]), 20_000, 0, 0.05) == pytest.approx(alone)
    more = np.random.default_rng(7).normal(0, 1, (80, 5))
    sidak = stats.t.isf((1 - 0.95 ** (1 / 5)) / 2, 79)
    assert max_t_quantile(more, 20_000, 0, 0.05) == pytest.approx(sidak, abs=0.12)


def test_simultaneous_intervals_cover_all_means_at_once():
    rng = np.random.default_rng(8)
    root = np.linalg.cholesky(0.4 + 0.6 * np.eye(3))
    hits = 0
    for _ in range(400):
        d = rng.normal(size=(50, 3)) @ root.T
        half = max_t_quantile(d, 400, 0, 0.05) * d.std(axis=0, ddof=1) / 50**0.5
        hits += (np.abs(d.mean(axis=0)) <= half).all()
    assert 362 <= hits <= 395  # 380 expected


def test_contrasts_without_variation_are_left_out_of_the_maximum():
    d = np.random.default_rng(9).normal(0, 1, (40, 2))
    constant = np.column_stack([d, np.full(40, 0.2)])
    assert max_t_quantile(constant, 999, 0, 0.05) == max_t_quantile(d, 999, 0, 0.05)
    assert np.isnan(max_t_quantile(np.zeros((40, 1)), 999, 0, 0.05))
    assert np.isfinite(max_t_quantile(np.array([[1.0], [-1.0], [1.0], [-1.0]]), 999, 0, 0.05))


def literal_two_level(runs, resamples, rng):
    problems, replicates = runs.shape
    means = []
    for _ in range(resamples):
        rows = rng.integers(0, problems, problems)[:, None]
        means.append(runs[rows, rng.integers(0, replicates, (problems, replicates))].mean())
    return np.quantile(means, [0.025, 0.975])


@pytest.mark.parametrize("replicates", [1, 2, 8])
def test_bootstrap_agrees_with_resampling_problems_then_replicates(replicates):
    rng = np.random.default_rng(3)
    p = rng.beta(0.6, 0.4, 40)
    runs = (rng.random((40, replicates)) < p[:, None]).astype(float)
    found = infer({"x": over_replicates(runs)}, AnalysisConfig(resamples=20_000))["x"]
    low, high = literal_two_level(runs, 6000, rng)
    assert (found.boot_low, found.boot_high) == pytest.approx((low, high), abs=0.008)


def test_bootstrap_of_one_replicate_is_the_percentile_bootstrap():
    d = np.random.default_rng(4).normal(0.2, 1, 50)
    low, high = two_level_bootstrap(d[:, None], np.zeros((50, 1)), 20_000, 0, 0.05)
    oracle = stats.bootstrap((d,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    expected = (oracle.confidence_interval.low, oracle.confidence_interval.high)
    assert (low[0], high[0]) == pytest.approx(expected, abs=0.01)


def test_bootstrap_of_several_contrasts_agrees_with_arch():
    rng = np.random.default_rng(10)
    d = np.column_stack([rng.exponential(0.3, 60), rng.normal(0, 1, 60).round()])
    bounds = two_level_bootstrap(d, np.zeros((60, 2)), 20_000, 0, 0.05)
    peer = IIDBootstrap(d, seed=1)
    expected = peer.conf_int(lambda x: x.mean(axis=0), reps=20_000, method="percentile")
    assert np.array(bounds) == pytest.approx(expected, abs=0.01)


def test_the_law_schools_of_efron_and_tibshirani():
    # 15 schools: mean test score and grade point average of a class, Efron & Tibshirani 1993
    score = [576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594]
    grade = [339, 330, 281, 303, 344, 307, 300, 343, 336, 313, 312, 274, 276, 288, 296]
    x, y = np.array(score, float), np.array(grade, float)
    moments = np.column_stack([x, y, x * x, y * y, x * y])

    def correlation(m):
        variances = (m[..., 2] - m[..., 0] ** 2) * (m[..., 3] - m[..., 1] ** 2)
        return (m[..., 4] - m[..., 0] * m[..., 1]) / np.sqrt(variances)

    assert correlation(moments.mean(axis=0)) == pytest.approx(0.776374, abs=1e-6)
    drawn = correlation(resampled_means([moments], 20_000, 0)[0])
    assert drawn.std() == pytest.approx(0.135, abs=0.005)


def test_no_means_depend_on_what_is_resampled_beside_them():
    rng = np.random.default_rng(3)
    values = [rng.random((n, 4)) for n in (40, 30, 40, 0)]
    together = resampled_means(values, 500, 0)
    for some, found in zip(values[:3], together, strict=False):
        (alone,) = resampled_means([some], 500, 0)
        assert np.array_equal(found, alone)
    assert np.isnan(together[3]).all()


def test_contrasts_over_different_problems_are_inferred_apart():
    rng = np.random.default_rng(5)
    full = Statistic(rng.normal(0.2, 0.3, 30), np.full(30, np.nan), 1, -1.0, 1.0)
    part = full.only(np.arange(30) < 20)
    nothing = full.only(np.zeros(30, bool))
    config = AnalysisConfig(resamples=500)
    found = infer({"full": full, "part": part, "none": nothing}, config)
    assert [found[k].interval.n for k in ("full", "part", "none")] == [30, 20, 0]
    assert found["part"].p_flip == infer({"part": part}, config)["part"].p_flip
    assert np.isnan(found["none"].p_flip)
