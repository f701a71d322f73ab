import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from analysis import intervals
from analysis.config import AnalysisConfig
from analysis.inference import dirichlet_posterior, infer, mid_p, ratio_of_means, t_p, t_ratio
from analysis.statistic import Statistic, over_replicates

SLEEP = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP -= np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)


def contrast(values, high=1.0, replicates=1) -> Statistic:
    values = np.asarray(values, float)
    return Statistic(values, np.full(len(values), np.nan), replicates, -high, high)


def level(values, high=1.0) -> Statistic:
    values = np.asarray(values, float)
    return Statistic(values, np.full(len(values), np.nan), 1, 0.0, high)


def test_t_interval_and_p_of_the_sleep_data():
    assert intervals.t_interval(SLEEP, 0.05) == pytest.approx((-2.459886, -0.700114), abs=1e-6)
    assert t_p(contrast(SLEEP, 10)) == pytest.approx(0.00283289, abs=1e-8)


def test_t_of_the_maize_data():
    # Darwin's 15 pairs, t as Fisher gives it
    assert t_ratio(contrast(MAIZE, 100)) == pytest.approx(2.147987, abs=1e-6)
    assert t_p(contrast(MAIZE, 100)) == pytest.approx(0.0497029, abs=1e-7)


def test_t_p_of_a_published_table_of_language_models():
    # bayes_evals (MIT), langchain tool use: 20 questions, claude-2.1 alone right on 12, never wrong
    assert t_p(contrast([1] * 12 + [0] * 8)) == pytest.approx(3.7534e-5, rel=2e-5)


@pytest.mark.parametrize(
    ("both", "plus", "minus", "neither", "chi2"),
    [(101, 121, 59, 33, 21.355556), (101, 70, 59, 33, 0.9379845), (794, 150, 86, 570, 17.355932)],
)
def test_t_of_single_runs_is_mcnemar_but_for_the_variance(both, plus, minus, neither, chi2):
    # chi2 = (b - c)^2 / (b + c) takes the variance at mean 0, t at the mean found
    d = [1] * plus + [-1] * minus + [0] * (both + neither)
    n, square = len(d), t_ratio(contrast(d)) ** 2
    assert n * square / (n - 1 + square) == pytest.approx(chi2, rel=1e-6)


def test_the_equivalence_interval_gives_the_verdicts_of_tost():
    low, high = intervals.t_interval(-SLEEP, 0.10)
    assert (low, high) == pytest.approx((0.866995, 2.293005), abs=1e-6)
    for margin in (1.5, 2.0, 2.5, 3.0):
        p = DescrStatsW(-SLEEP).ttost_mean(-margin, margin)[0]
        assert (p < 0.05) == (-margin < low and high < margin)


def test_t_equals_regression_clustered_by_problem():
    rng = np.random.default_rng(1)
    runs = rng.random((40, 4)) - 0.4
    problem = np.repeat(np.arange(40), 4)
    fit = sm.OLS(runs.ravel(), np.ones(160)).fit(
        cov_type="cluster",
        cov_kwds={"groups": problem, "use_correction": True, "df_correction": True},
        use_t=True,
    )
    found = intervals.interval(contrast(runs.mean(axis=1)), 0.05)
    low, high = fit.conf_int()[0]
    # statsmodels multiplies by (N - 1) / (N - K) too, which is 1 for an intercept alone
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-10)


def test_order_of_the_problems_does_not_matter():
    rng = np.random.default_rng(2)
    d = rng.normal(0.1, 0.2, 50)
    first = intervals.interval(contrast(d), 0.05)
    second = intervals.interval(contrast(rng.permutation(d)), 0.05)
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12)


def test_one_run_per_problem_gets_bonett_price():
    d = [1] * 12 + [-1] * 6 + [0] * 12
    found = intervals.interval(contrast(d), 0.05)
    p, q = 13 / 32, 7 / 32
    half = 1.959964 * np.sqrt((p + q - (p - q) ** 2) / 32)
    assert found.method == "bonett-price" and not found.degenerate
    assert (found.low, found.high) == pytest.approx((p - q - half, p - q + half), abs=1e-6)


@pytest.mark.parametrize(
    ("values", "method"),
    [
        ([0.0] * 30, "bonett-price"),
        ([1.0] * 4 + [0.0] * 26, "bonett-price"),
        ([0.5] * 4 + [0.0] * 26, "sign bound"),
        ([0.5] * 30, "sign bound"),
        ([0.25, 0.5, 0.125], "sign bound"),
    ],
)
def test_degenerate_contrasts_never_get_a_t_interval(values, method):
    found = intervals.interval(contrast(values), 0.05)
    assert (found.method, found.degenerate) == (method, True)
    assert found.low < found.estimate < found.high


@pytest.mark.parametrize("values", [[0.0] * 30, [1.0] * 30, [1.0] * 28 + [0.5, 0.0], [0.5] * 30])
def test_degenerate_levels_get_a_wilson_interval_inside_the_range(values):
    found = intervals.interval(level(values), 0.05)
    assert (found.method, found.degenerate) == ("wilson", True)
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.high - found.low > 0.05


def test_wilson_agrees_with_statsmodels_and_the_anchors():
    assert intervals.wilson(0.0, 30, 0.05)[1] == pytest.approx(0.113513, abs=1e-6)
    assert intervals.wilson(0.9, 30, 0.05) == pytest.approx((0.743789, 0.965400), abs=1e-6)
    expected = proportion_confint(7, 23, method="wilson")
    assert intervals.wilson(7 / 23, 23, 0.05) == pytest.approx(expected, abs=1e-9)


def test_sign_bound_is_the_rule_of_three_where_nothing_differs():
    low, high = intervals.sign_bound(np.zeros(30), -2.0, 2.0, 0.05)
    upper = proportion_confint(0, 30, method="beta")[1]
    assert (low, high) == pytest.approx((-2 * upper, 2 * upper))
    assert upper == pytest.approx(0.115703, abs=1e-6)


def test_sign_bound_is_clopper_pearson_where_all_differ():
    low, high = intervals.sign_bound(np.array([1.0] * 27 + [-1.0] * 3), -1.0, 1.0, 0.05)
    assert (1 + low, high) == pytest.approx((0.734712, 0.978883), abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_effect_is_shown_by_many_problems_and_not_by_few(sign):
    many = intervals.sign_bound(np.full(300, sign * 1.0), -2.0, 2.0, 0.05)
    share = 0.025 ** (1 / 300)  # at least this much of the population lies at or beyond the value
    near, far = share - 2 * (1 - share), share + 2 * (1 - share)
    assert many == pytest.approx(sorted((sign * near, sign * far)))
    few = intervals.sign_bound(np.full(3, sign * 1.0), -2.0, 2.0, 0.05)
    assert few[0] < 0 < few[1]


def test_the_bound_of_a_constant_effect_covers_the_worst_population():
    """A few problems of the population lie at the far end of the range, and none is drawn."""
    rng = np.random.default_rng(7)
    for rare in (0.005, 0.01, 0.02, 0.05):
        covered = 0
        for _ in range(400):
            d = np.where(rng.random(100) < rare, -2.0, 1.0)
            low, high = intervals.sign_bound(d, -2.0, 2.0, 0.05)
            covered += low <= 1 - 3 * rare <= high
        assert covered >= 380


def test_bonett_price_is_for_one_replicate_only():
    d = [1] * 12 + [-1] * 6 + [0] * 12
    assert intervals.interval(contrast(d, replicates=2), 0.05).method == "t"
    config = AnalysisConfig(resamples=100)
    found = infer({"d": contrast(d, replicates=2)}, config)["d"]
    assert np.isnan(found.p_mcnemar) and np.isnan(found.posterior) and found.p_t > 0
    assert infer({"d": contrast(d)}, config)["d"].p_mcnemar == mid_p(12, 6)


def test_t_bonett_price_and_sign_bound_cover_the_truth():
    rng = np.random.default_rng(3)
    covered = {"t": 0, "bonett-price": 0, "sign bound": 0}
    truth = {"t": 0.1, "bonett-price": 0.1, "sign bound": 0.003}
    for _ in range(400):
        draws = {
            "t": rng.normal(0.1, 0.3, 30),
            "bonett-price": rng.choice([-1.0, 0.0, 1.0], 30, p=[0.1, 0.7, 0.2]),
            "sign bound": rng.choice([0.0, 0.5], 30, p=[0.994, 0.006]),
        }
        for method, values in draws.items():
            found = intervals.interval(contrast(values), 0.05)
            covered[method] += found.low <= truth[method] <= found.high
    assert covered["t"] >= 365 and covered["bonett-price"] >= 365
    assert covered["sign bound"] >= 380


def test_fixed_interval_covers_these_problems_and_is_narrower():
    rng = np.random.default_rng(4)
    p = rng.beta(0.5, 0.5, 30)
    hits, narrower = 0, 0
    for _ in range(400):
        runs = over_replicates((rng.random((30, 8)) < p[:, None]).astype(float))
        found = intervals.fixed_interval(runs, 0.05)
        hits += found.low <= p.mean() <= found.high
        t = intervals.interval(runs, 0.05)
        narrower += found.high - found.low < t.high - t.low
    assert 365 <= hits <= 395
    assert narrower == 400


def without_noise_seen(n, replicates, low=-1.0, value=0.0) -> Statistic:
    return Statistic(np.full(n, value), np.zeros(n), replicates, low, 1.0)


def test_replicates_that_agree_get_a_bound_by_their_number_and_no_zero_width():
    found = intervals.fixed_interval(without_noise_seen(3, 2), 0.05)
    upper = proportion_confint(0, 6, method="beta")[1]
    assert (found.low, found.high) == pytest.approx((-upper, upper))
    assert (found.method, found.degenerate) == ("still bound", True)
    assert intervals.fixed_interval(without_noise_seen(300, 2), 0.05).high < 0.01
    always = intervals.fixed_interval(without_noise_seen(30, 2, value=1.0), 0.05)
    assert 0.8 < always.low < always.high == 1


@pytest.mark.parametrize("rare", [0.5, 0.1, 0.02, 0.002])
@pytest.mark.parametrize(("n", "replicates"), [(3, 2), (3, 16), (30, 2), (100, 4)])
def test_fixed_interval_covers_where_replicates_hardly_differ(n, replicates, rare):
    rng = np.random.default_rng(8)
    covered = 0
    for _ in range(300):
        p = np.where(rng.random((2, n)) < 0.5, rare, 1 - rare)
        arms = [over_replicates((rng.random((n, replicates)) < q[:, None]) * 1.0) for q in p]
        found = intervals.fixed_interval(arms[0] - arms[1], 0.05)
        covered += found.low <= (p[0] - p[1]).mean() <= found.high
    assert covered >= 270


def test_fixed_interval_needs_replicates():
    found = intervals.fixed_interval(over_replicates(np.ones((5, 1))), 0.05)
    assert np.isnan(found.low) and found.estimate == 1


@pytest.mark.parametrize(("b", "c"), [(9, 2), (12, 0), (5, 5), (70, 59), (150, 86)])
def test_mid_p_is_exact_mcnemar_less_half_the_point(b, c):
    exact = mcnemar([[0, b], [c, 0]], exact=True).pvalue
    point = stats.binom.pmf(min(b, c), b + c, 0.5)
    assert mid_p(b, c) == pytest.approx(min(1.0, exact - point) if b != c else 1.0, abs=1e-12)
    anchors = {(9, 2): 0.0654296875, (12, 0): 0.00048828125, (70, 59): 0.3786877}
    anchors[150, 86] = 3.71594e-5
    assert exact == pytest.approx(anchors.get((b, c), exact), rel=2e-6)


def test_clusters_of_two_runs_have_the_anchored_error():
    d = over_replicates(np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])).values
    low, high = intervals.t_interval(d, 0.05)
    error = (high - low) / 2 / stats.t.isf(0.025, 2)
    assert error == pytest.approx(0.2886751346)
    # Miller 2024 has no C / (C - 1)
    assert error * np.sqrt(2 / 3) == pytest.approx(0.2357022604)


def test_the_posterior_equals_draws_from_the_dirichlet():
    draws = np.random.default_rng(0).dirichlet([10, 3, 8, 6], 200_000)
    assert dirichlet_posterior(9, 2) == pytest.approx((draws[:, 0] > draws[:, 1]).mean(), abs=0.003)
    assert dirichlet_posterior(4, 4) == pytest.approx(0.5)
    assert dirichlet_posterior(12, 0) == pytest.approx(1 - 0.5**13)


def test_the_posterior_is_for_single_runs_only():
    config = AnalysisConfig(resamples=100)
    single = infer({"d": contrast([1] * 9 + [-1] * 2 + [0] * 9)}, config)["d"]
    assert single.posterior == dirichlet_posterior(9, 2)
    assert np.isnan(infer({"d": contrast([0.5] * 9 + [-1] * 2)}, config)["d"].posterior)


def test_a_ratio_is_given_only_where_its_denominator_is_clear():
    rng = np.random.default_rng(10)
    top, clear = rng.normal(0.1, 0.3, 200), rng.normal(0.2, 0.3, 200)
    found = ratio_of_means(contrast(top), contrast(clear), 0.05)
    assert found is not None
    assert (found.low, found.high) == intervals.fieller(top, clear, 0.05)
    assert found.estimate == pytest.approx(top.mean() / clear.mean())
    assert ratio_of_means(contrast(top), contrast(clear - 0.15), 0.05) is None


def test_fieller_matches_its_definition_and_is_none_where_unbounded():
    rng = np.random.default_rng(5)
    base = rng.normal(0.2, 0.3, 100)
    adapted = 0.4 * base + rng.normal(0, 0.1, 100)
    limits = intervals.fieller(adapted, base, 0.05)
    assert limits is not None
    for rho in limits:
        t = stats.ttest_1samp(adapted - rho * base, 0).statistic
        assert abs(t) == pytest.approx(stats.t.isf(0.025, 99), abs=1e-6)
    assert limits[0] < adapted.mean() / base.mean() < limits[1]
    assert intervals.fieller(adapted, base - base.mean(), 0.05) is None


def test_ratio_of_equal_risks_is_the_plain_t_interval():
    rng = np.random.default_rng(6)
    hits = rng.binomial(4, 0.3, 60).astype(float)
    found = intervals.ratio_interval(hits, np.full(60, 4.0), 0.05)
    assert (found.low, found.high) == pytest.approx(intervals.t_interval(hits / 4, 0.05))


@pytest.mark.parametrize("few", [0, 1, 4])
@pytest.mark.parametrize("end", ["never", "always"])
def test_a_ratio_of_hardly_any_variation_is_wilson_at_either_end(few, end):
    bottom = np.full(60, 4.0)
    odd = (np.arange(60) < few).astype(float)
    top = odd if end == "never" else bottom - odd
    found = intervals.ratio_interval(top, bottom, 0.05)
    share = top.sum() / bottom.sum()
    expected = proportion_confint(share * 60, 60, 0.05, method="wilson")
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.degenerate


def test_a_difference_of_ratios_of_equal_risks_is_the_paired_t_interval():
    rng = np.random.default_rng(7)
    hits, others = (rng.binomial(4, p, 60).astype(float) for p in (0.4, 0.3))
    risk = np.full(60, 4.0)
    found = intervals.ratio_difference((hits, risk), (others, risk), 0.05)
    expected = intervals.t_interval((hits - others) / 4, 0.05)
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.estimate == pytest.approx((hits - others).mean() / 4)


def first_right(scale):
    """Of attempts 2 to 6 of a problem of ease beta(1, 2), right with probability scale x ease."""
    p = (np.arange(20_000) + 0.5) / 20_000
    wrong = (1 - scale * p)[:, None] ** np.arange(1, 6)
    weight = stats.beta.pdf(p, 1, 2)
    return weight @ (wrong * scale * p[:, None]).sum(1) / (weight @ wrong.sum(1))


def test_the_interval_of_a_difference_of_ratios_holds_the_truth_as_often_as_it_says():
    rng, covered = np.random.default_rng(8), 0
    truth = first_right(0.8) - first_right(1.0)
    for _ in range(400):
        ease = rng.beta(1, 2, (200, 1))
        right = rng.random((200, 2, 6)) < np.array([0.8, 1.0])[:, None] * ease[:, :, None]
        known = np.logical_and.accumulate(~right, axis=2)[:, :, :-1]
        sides = [
            ((known & right[:, :, 1:])[:, i].sum(1) * 1.0, known[:, i].sum(1) * 1.0) for i in (0, 1)
        ]
        found = intervals.ratio_difference(*sides, 0.05)
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_a_difference_of_ratios_without_any_risk_or_variation_has_no_bounds():
    none, one = np.zeros(30), np.ones(30)
    assert intervals.ratio_difference((none, none), (one, one), 0.05).n == 0
    found = intervals.ratio_difference((one, one), (none, one), 0.05)
    assert (found.estimate, found.degenerate) == (1.0, True) and np.isnan(found.low)


def test_problems_without_a_value_are_left_out():
    values = [0.1, np.nan, 0.2, 0.4, 0.3, 0.6, np.nan]
    found = intervals.interval(contrast(values), 0.05)
    expected = intervals.t_interval(np.array([0.1, 0.2, 0.4, 0.3, 0.6]), 0.05)
    assert found.n == 5
    assert (found.low, found.high) == pytest.approx(expected)
    assert intervals.interval(contrast([np.nan] * 3), 0.05).n == 0


def test_the_bound_for_these_problems_counts_the_fewest_replicates():
    values = np.full((40, 2), 1.0)
    whole = intervals.fixed_interval(over_replicates(values), 0.05)
    values[0, 1] = np.nan
    assert intervals.fixed_interval(over_replicates(values), 0.05).low < whole.low
