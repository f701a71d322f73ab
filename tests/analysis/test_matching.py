import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import attempt, simulate

from analysis.config import AnalysisConfig
from analysis.cost_ratio import cost_ratios
from analysis.matching import (
    Curves,
    at_budgets,
    both_sides,
    common_support,
    contrast,
    curves,
    match,
    mean_over_budgets,
    over_budgets,
)
from analysis.summary import summarize
from analysis.table import build_table
from sample.records import Ledger

CONFIG = AnalysisConfig(primary={"toy": "coverage"}, resamples=300)
ARMS = {("base", "parallel"): 0.0, ("base", "sequential"): 0.8}


def cells(records):
    found = build_table(records).cells
    return found["toy", "base", "parallel"], found["toy", "base", "sequential"]


def auc_gap(cells, aggregator="coverage", cost="generated"):
    return contrast(both_sides(*cells, aggregator), over_budgets(cost))


def tokens(records, **lengths):
    """The same attempts with this many answer tokens by arm; None = not known."""
    for record in records:
        count = lengths[record.arm]
        count = math.nan if count is None else count
        yield attempt(
            record.problem,
            record.arm,
            record.system,
            record.replicate,
            record.step,
            record.canonical,
            record.correct,
            ledger=Ledger(10, None, 0, count, 0.0),  # type: ignore[arg-type]
        )


def test_between_two_points_a_coin_is_tossed_and_beyond_them_nothing_is_said():
    value, cost = np.array([[0.2, 0.6]]), np.array([[10.0, 30.0]])
    found = at_budgets(value, cost, np.array([9.0, 10.0, 20.0, 30.0, 31.0]))[0]
    assert found == pytest.approx([np.nan, 0.2, 0.4, 0.6, np.nan], nan_ok=True)


def test_common_support_is_what_both_arms_can_spend():
    parallel = np.array([[10.0, 40.0], [10.0, 40.0], [np.nan, np.nan]])
    sequential = np.array([[20.0, 90.0], [50.0, 60.0], [1.0, 2.0]])
    low, high = common_support(parallel, sequential)
    assert (low[0], high[0]) == (20, 40)
    assert np.isnan(low[1:]).all() and np.isnan(high[1:]).all()


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.floats(1, 100), st.floats(1.5, 50))
def test_a_flat_curve_has_itself_as_mean_over_budgets(level, start, ratio):
    value, cost = np.full((1, 2), level), np.array([[start, start * ratio]])
    found = mean_over_budgets(value, cost, cost[:, 0], cost[:, 1])
    assert found == pytest.approx([level], abs=1e-9)


def test_the_mean_is_over_doublings_not_over_tokens():
    """Value = log2(cost) on the curve's own points: the mean over doublings is their midpoint."""
    cost = np.array([2.0 ** np.linspace(0, 4, 400)])
    found = mean_over_budgets(np.log2(cost), cost, cost[:, 0], cost[:, -1])
    assert found == pytest.approx([2.0], abs=1e-3)


def test_at_equal_token_lengths_it_is_the_gap_over_attempts():
    records = list(tokens(simulate(ARMS, problems=50), parallel=7, sequential=7))
    p, s = cells(records)
    a, b = curves(p, "parallel", "coverage"), curves(s, "sequential", "coverage")
    k = 2.0 ** np.linspace(0, 2, 65)
    steps = np.arange(1, 5)
    expected = [
        np.trapezoid(np.interp(k, steps, x) - np.interp(k, steps, y), np.log2(k)) / 2
        for x, y in zip(a.value, b.value, strict=True)
    ]
    found = auc_gap((p, s))
    assert found.values == pytest.approx(expected, abs=1e-6)
    assert found.estimate > 0.05


def test_swapping_the_arms_changes_the_sign_only():
    p, s = cells(tokens(simulate(ARMS, problems=30), parallel=5, sequential=9))
    a, b = curves(p, "parallel", "coverage"), curves(s, "sequential", "coverage")
    gap = over_budgets("generated")
    np.testing.assert_allclose(gap(a, b), -gap(b, a), atol=1e-12)


def test_an_arm_that_writes_longer_is_no_longer_equal():
    """No anchoring at all: at equal attempts there is no gap, at equal tokens there is."""
    arms = {("base", "parallel"): 0.0, ("base", "sequential"): 0.0}
    records = list(simulate(arms, problems=150, replicates=2, seed=3))
    equal = auc_gap(cells(tokens(records, parallel=8, sequential=8)))
    longer = auc_gap(cells(tokens(records, parallel=8, sequential=16)))
    assert abs(equal.estimate) < 0.04
    assert longer.estimate > 0.1


def test_noise_within_problems_is_that_of_repeated_sampling():
    gaps, noise = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        records = [
            attempt(f"p{i}", arm, replicate=r, step=s, canonical=str(c), correct=c == 0)
            for i in range(12)
            for arm in ("parallel", "sequential")
            for r in range(4)
            for s in (1, 2, 3)
            for c in [int(rng.random() >= 0.4)]
        ]
        found = auc_gap(cells(tokens(records, parallel=5, sequential=5)))
        gaps.append(found.values)
        noise.append(found.within)
    assert np.mean(noise) == pytest.approx(np.var(gaps), rel=0.35)


def test_one_replicate_has_no_noise_to_tell():
    found = auc_gap(cells(simulate(ARMS, problems=12, replicates=1)))
    assert np.isnan(found.within).all() and found.replicates == 1


def curve(values, cost):
    rows = np.tile(values, (40, 1))
    return Curves(rows.astype(float), {"generated": np.tile(cost, (40, 1)).astype(float)})


def test_the_cost_ratio_is_read_off_the_curves():
    parallel = curve([0.2, 0.5], [10, 20])
    sequential = curve([0.2, 0.4, 0.6], [10, 20, 40])
    ((whole, found),) = cost_ratios([(parallel, sequential)], "generated", [1, 2], CONFIG)
    assert (whole.reached, whole.tokens, whole.ratio) == pytest.approx((0.2, 10, 1.0))
    assert (found.reached, found.tokens, found.ratio) == (0.5, 20, pytest.approx(1.5))
    assert (found.low, found.high) == pytest.approx((1.5, 1.5))


def test_what_is_never_reached_is_censored_and_never_dropped():
    pair = curve([0.2, 0.9], [10, 20]), curve([0.2, 0.3], [10, 50])
    nothing = Curves(np.full((40, 2), np.nan), {"generated": np.ones((40, 2))})
    (found,), none = cost_ratios([pair, (nothing, nothing)], "generated", [2], CONFIG)
    assert math.isinf(found.ratio) and found.least == 2.5
    assert math.isinf(found.low)
    assert none == []


def test_nothing_reached_has_no_price_and_few_problems_no_interval():
    wrong = curve([0.0, 0.0], [10, 20])
    ((found,),) = cost_ratios([(wrong, wrong)], "generated", [2], CONFIG)
    assert math.isnan(found.ratio) and math.isnan(found.low) and found.n == len(wrong.value)
    assert found.reason and "parallel solves nothing" in found.reason
    for n in (4, 5):
        some = Curves(np.tile([0.2, 0.5], (n, 1)), {"generated": np.tile([10.0, 20.0], (n, 1))})
        ((found,),) = cost_ratios([(some, some)], "generated", [2], CONFIG)
        assert found.ratio == pytest.approx(1) and found.reason is None
        assert math.isnan(found.low) == math.isnan(found.high) == (n < 5)


def test_tokens_that_nobody_counted_have_no_ratio():
    free = Curves(np.tile([0.2, 0.5], (6, 1)), {"generated": np.zeros((6, 2))})
    ((found,),) = cost_ratios([(free, free)], "generated", [2], CONFIG)
    assert found.reason == "no tokens are counted" and math.isnan(found.least)


def matched(records, aggregator="coverage"):
    return match(*cells(records), aggregator, CONFIG)[0]


def test_every_cost_is_reported_and_what_it_could_not_use():
    records = list(tokens(simulate(ARMS, problems=40), parallel=8, sequential=8))
    found = matched(records)
    assert set(found.gaps) == {"generated", "total", "latency"}
    assert found.gaps["generated"].interval.n == 40
    # all attempts end together: sequential has had one by then
    first = curves(cells(records)[1], "sequential", "coverage").value[:, 0]
    ended = curves(cells(records)[0], "parallel", "coverage").value[:, -1]
    assert found.gaps["latency"].interval.estimate == pytest.approx((ended - first).mean())
    assert any(w.startswith("cached: no gap") for w in found.notes)


def test_unknown_tokens_give_no_gap_and_say_so():
    found = matched(tokens(simulate(ARMS, problems=20), parallel=None, sequential=8))
    assert found.gaps == {}
    assert sum("no gap" in note for note in found.notes) == 4


def test_an_arm_that_is_cut_off_more_often_is_named():
    records = list(tokens(simulate(ARMS, problems=20), parallel=8, sequential=8))
    cut = [
        attempt(r.problem, r.arm, replicate=r.replicate, step=r.step, finish="length")
        if r.arm == "sequential" and r.step == 4
        else r
        for r in records
    ]
    assert any("sequential 25.0 %" in note for note in matched(cut).notes)


@pytest.mark.parametrize("aggregator", ["accuracy", "majority", "last"])
def test_every_aggregator_can_be_matched(aggregator):
    found = matched(simulate(ARMS, problems=30), aggregator)
    assert found.gaps["generated"].interval.n == 30


def test_the_summary_holds_the_comparison_and_null_where_an_arm_is_missing():
    arms = {**ARMS, ("alone", "parallel"): 0.0}
    records = tokens(simulate(arms, problems=40), parallel=8, sequential=8)
    family = summarize(records, CONFIG)["families"]["toy"]
    found = family["equal_compute"]["base"]
    assert family["equal_compute"]["alone"] is None
    assert found["gaps"]["cached"] is None and found["gaps"]["total"]["n"] == 40
    assert found["tokens"]["parallel"]["generated"] == 32
    assert found["tokens"]["parallel"]["latency"] == pytest.approx(8)
    assert found["tokens"]["parallel"]["cached"] is None
    assert [ratio["k"] for ratio in found["ratios"]] == [2, 4]
    drawn = found["curves"]["coverage"]
    assert set(drawn) == set(found["gaps"]) and drawn["cached"] is None
    assert drawn["total"]["n"] == 40 and list(found["curves"]) == ["coverage"]
    json.dumps(found, allow_nan=False)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1)), min_size=2, max_size=8))
def test_values_at_budgets_are_those_of_interpolation_point_by_point(steps):
    cost, value = np.cumsum([c for c, _ in steps]).astype(float), np.array([v for _, v in steps])
    budgets = np.linspace(0, cost[-1] + 1, 50)
    expected = np.interp(budgets, cost, value, left=np.nan, right=np.nan)
    found = at_budgets(value[None], cost[None], budgets)[0]
    assert found == pytest.approx(expected, nan_ok=True)
