import itertools
import json
from collections import defaultdict

import numpy as np
import pytest
from msgspec.structs import replace
from planted import CONFIG, SYSTEMS
from scipy import stats
from simulated import simulate

from analysis.config import AnalysisConfig, RunInfo, SystemInfo
from analysis.summary import summarize


def correct(records, system, arm):
    """Reference: [problem, replicate, step] grades by plain loops."""
    values = {}
    for a in records:
        if (a.system, a.arm) == (system, arm):
            values.setdefault(a.problem, {}).setdefault(a.replicate, {})[a.step] = a.correct
    return np.array(
        [
            [[values[p][r][s] for s in sorted(values[p][r])] for r in values[p]]
            for p in sorted(values)
        ]
    )


def test_it_is_plain_json(summary):
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_it_knows_causes_that_were_planted(toy):
    assert toy["models"]["unanchored"]["verdict"] == "NO_GAP"
    assert toy["adapters"]["diverse-s0"]["verdict"] == "CLOSED"
    assert toy["adapters"]["diverse-s1"]["verdict"] == "CLOSED"
    assert toy["adapters"]["history-s0"]["verdict"] == "NARROWED"
    assert toy["methods"]["diverse"]["verdicts"] == {"CLOSED": 2}
    sequential = toy["systems"]["base"]["arms"]["sequential"]
    assert sequential["repeat_excess"]["low"] > 0.1
    control = toy["systems"]["unanchored"]["arms"]["sequential"]
    assert abs(control["repeat_excess"]["estimate"]) < 0.05


def test_gaps_equal_a_plain_computation(records, toy):
    left, right = (correct(records, "base", arm) for arm in ("parallel", "sequential"))
    accuracy = left.mean(axis=(1, 2)) - right.mean(axis=(1, 2))
    coverage = _pass_at_n(left) - right.any(axis=2).mean(axis=1)
    for name, d in (("accuracy", accuracy), ("coverage", coverage)):
        gap = toy["systems"]["base"]["gaps"][name]
        test = stats.ttest_1samp(d, 0)
        assert gap["estimate"] == pytest.approx(d.mean(), abs=1e-12)
        assert gap["p_t"] == pytest.approx(test.pvalue)
        interval = test.confidence_interval()
        assert (gap["low"], gap["high"]) == pytest.approx((interval.low, interval.high))


def _pass_at_n(grades):
    pools = grades.reshape(len(grades), -1)
    subsets = list(itertools.combinations(range(pools.shape[1]), grades.shape[2]))
    return np.mean([pools[:, list(s)].any(axis=1) for s in subsets], axis=0)


def test_did_is_the_difference_of_the_two_gaps(toy):
    for adapter in toy["adapters"].values():
        for entry in (adapter, *adapter["other_aggregators"].values()):
            change = entry["gap_base"]["estimate"] - entry["gap_adapted"]["estimate"]
            assert entry["did"]["estimate"] == pytest.approx(change, abs=1e-12)
        sides = adapter["sequential_change"]["estimate"] - adapter["parallel_change"]["estimate"]
        assert adapter["did"]["estimate"] == pytest.approx(sides, abs=1e-12)


def test_did_and_its_error_equal_a_regression_clustered_by_problem(records, toy):
    import statsmodels.api as sm

    cells = [
        (correct(records, s, a).mean(axis=(1, 2)), s != "base", a == "sequential")
        for s in ("base", "diverse-s0")
        for a in ("parallel", "sequential")
    ]
    y = np.concatenate([values for values, _, _ in cells])
    adapted, sequential = (np.repeat([c[i] for c in cells], 400).astype(float) for i in (1, 2))
    design = np.column_stack([np.ones(1600), adapted, sequential, adapted * sequential])
    groups = {"groups": np.tile(np.arange(400), 4), "use_correction": False}
    fit = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds=groups)
    did = toy["adapters"]["diverse-s0"]["other_aggregators"]["accuracy"]["did"]
    half = stats.t.isf(0.025, 399) * fit.bse[3] * np.sqrt(400 / 399)
    assert did["estimate"] == pytest.approx(fit.params[3], abs=1e-12)
    assert did["high"] - did["estimate"] == pytest.approx(half, rel=1e-9)


def test_curves_end_at_their_level(toy):
    for system in toy["systems"].values():
        for arm in system["arms"].values():
            for name in ("coverage", "majority", "distinct"):
                assert arm["by_step"][name][-1] == arm[name]
            for name in ("accuracy", "coverage", "majority"):
                first = arm["by_step"][name][0]["estimate"]
                if arm["last"] is None and name != "accuracy":
                    assert first == pytest.approx(arm["accuracy"]["estimate"], abs=1e-12)
            assert arm["by_step"]["repeat_rate"][0]["estimate"] is None
            assert all(len(curve) == 6 for curve in arm["by_step"].values())


def test_accuracy_splits_into_coverage_and_selection(toy):
    for system in toy["systems"].values():
        total = sum(term["estimate"] for term in system["identity"].values())
        assert total == pytest.approx(system["gaps"]["majority"]["estimate"], abs=1e-12)
        for arm in system["arms"].values():
            product = arm["coverage"]["estimate"] * arm["selection"]
            assert product == pytest.approx(arm["majority"]["estimate"], abs=1e-12)


def test_the_identity_intervals_agree_with_a_bootstrap_over_problems(records, toy):
    from analysis.chains import identity_terms
    from analysis.study import build_study
    from analysis.table import build_table

    table = build_table(a for a in records if a.system == "base")
    study = build_study(table, "toy", {"base": SystemInfo("base")}, "base", "coverage")
    x = np.column_stack(
        [
            study.cells[("base", arm)].levels[name].values
            for arm in ("parallel", "sequential")
            for name in ("coverage", "majority")
        ]
    )
    rng = np.random.default_rng(0)
    means = [x[rng.integers(0, 400, 400)].mean(axis=0) for _ in range(2000)]
    terms = [identity_terms(cp, cs, mp / cp, ms / cs) for cp, mp, cs, ms in means]
    low, high = np.quantile(np.array(terms), [0.025, 0.975], axis=0)
    for i, name in enumerate(("coverage_term", "selection_term")):
        term = toy["systems"]["base"]["identity"][name]
        assert (term["low"], term["high"]) == pytest.approx((low[i], high[i]), abs=0.006)


def test_independent_arms_repeat_as_often_as_their_baseline(toy):
    arms = [system["arms"]["parallel"] for system in toy["systems"].values()]
    excess = np.array([arm["repeat_excess"]["estimate"] for arm in arms])
    error = np.array([arm["repeat_excess"]["high"] for arm in arms]) - excess
    assert abs(excess.mean()) < 1.5 * (error**2).sum() ** 0.5 / len(arms)
    assert abs(excess.mean()) < 0.01


def test_renaming_answers_and_reordering_records_change_nothing(records, summary):
    renamed = [replace(a, canonical=f"x{(int(a.canonical) * 7 + 3) % 11}") for a in records[::-1]]
    again = summarize(renamed, CONFIG, SYSTEMS, RunInfo("run", created=summary["run"]["created"]))
    _assert_close(again, summary)


def _assert_close(left, right):
    if isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            _assert_close(left[key], right[key])
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            _assert_close(one, other)
    elif isinstance(left, float):
        assert left == pytest.approx(right, abs=1e-9)
    else:
        assert left == right


def test_efficiency_places_the_chain_between_independent_and_ideal_draws(toy):
    arms = toy["systems"]["base"]["arms"]
    zero, one = (arms["parallel"][key]["estimate"] for key in ("coverage", "ideal_coverage"))
    for arm in ("sequential", "irrelevant_context"):
        found = arms[arm]["efficiency"]
        expected = (arms[arm]["coverage"]["estimate"] - zero) / (one - zero)
        assert found["estimate"] == pytest.approx(expected, abs=1e-12)
        assert found["low"] < found["estimate"] < found["high"]
    assert arms["sequential"]["efficiency"]["high"] < 0
    assert arms["parallel"]["efficiency"] is None
    assert toy["systems"]["base"]["arms"]["sequential"]["ideal_coverage"] is None


def test_a_chain_is_compared_with_twice_as_many_parallel_attempts(toy, records):
    """6 attempts in two replicates: the twelve of the pool are twice as many."""
    found = toy["systems"]["base"]["arms"]["sequential"]["against_twice"]
    right, chains = defaultdict(int), defaultdict(list)
    for one in (r for r in records if r.system == "base"):
        if one.arm == "parallel":
            right[one.problem] += one.correct
        elif one.arm == "sequential":
            chains[one.problem, one.replicate].append(one.correct)
    pool = np.mean([r > 0 for r in right.values()])
    chain = np.mean([any(chain) for chain in chains.values()])
    assert found["estimate"] == pytest.approx(chain - pool) and found["high"] < 0
    assert toy["systems"]["base"]["arms"]["parallel"]["against_twice"] is None


def test_the_lead_of_first_right_answers_is_that_over_the_parallel_arm(toy):
    arms = toy["systems"]["base"]["arms"]
    found = arms["sequential"]["first_right_lead"]
    shares = [arms[arm]["first_right"]["estimate"] for arm in ("sequential", "parallel")]
    assert found["estimate"] == pytest.approx(shares[0] - shares[1])
    assert found["low"] < found["estimate"] < found["high"] < 0
    assert arms["parallel"]["first_right_lead"] is None


def test_efficiency_is_not_given_where_the_references_coincide():
    reuse = {("base", "parallel"): 0.0, ("base", "sequential"): 0.5}
    toy = summarize(simulate(reuse, problems=60, answers=2), CONFIG)["families"]["toy"]
    few = summarize(simulate(reuse, problems=6), CONFIG)["families"]["toy"]["systems"]["base"]
    assert few["arms"]["sequential"]["efficiency"] is None
    assert toy["systems"]["base"]["arms"]["parallel"]["exhausted"]["estimate"] == 1


def test_effective_answers_invert_the_chance_of_agreement(toy):
    for arm in toy["systems"]["base"]["arms"].values():
        effective, collision = arm["effective_answers"], arm["collision"]
        assert effective["estimate"] == pytest.approx(1 / collision["estimate"])
        assert effective["high"] == pytest.approx(1 / collision["low"])


def test_a_chain_that_repeats_itself_carries_information(toy):
    arms = toy["systems"]["base"]["arms"]
    assert arms["sequential"]["step_information"]["low"] > 0.1
    assert abs(arms["parallel"]["step_information"]["estimate"]) < 0.02
    growth = {name: arm["coverage_per_doubling"]["high"] for name, arm in arms.items()}
    assert growth["sequential"] < arms["parallel"]["coverage_per_doubling"]["low"]


def test_one_seed_has_no_interval_over_seeds_and_two_have_a_t(toy):
    assert toy["methods"]["history"]["did"]["low"] is None
    seeds = [toy["adapters"][f"diverse-s{s}"]["did"]["estimate"] for s in (0, 1)]
    did = toy["methods"]["diverse"]["did"]
    expected = stats.ttest_1samp(seeds, 0).confidence_interval()
    assert (did["low"], did["high"]) == pytest.approx((expected.low, expected.high))
    assert did["crossed_low"] < did["low"] and did["high"] < did["crossed_high"]


def test_controls_are_parallel_minus_the_arm_on_the_base(records, toy):
    d = _pass_at_n(correct(records, "base", "parallel")) - correct(
        records, "base", "irrelevant_context"
    ).any(axis=2).mean(axis=1)
    control = toy["controls"]["irrelevant_context"]
    assert control["system"] == "base"
    assert control["difference"]["estimate"] == pytest.approx(d.mean(), abs=1e-12)


def test_fraction_closed_only_where_the_base_gap_is_clear(records, toy):
    fraction = toy["adapters"]["history-s0"]["fraction_closed"]
    adapter = toy["adapters"]["history-s0"]
    expected = adapter["did"]["estimate"] / adapter["gap_base"]["estimate"]
    assert fraction["estimate"] == pytest.approx(expected)
    assert fraction["low"] < fraction["estimate"] < fraction["high"]
    few = [a for a in records if a.problem < "p0012"]
    small = summarize(few, CONFIG, SYSTEMS)["families"]["toy"]
    assert small["adapters"]["history-s0"]["fraction_closed"] is None


def test_last_faces_the_majority_of_parallel(records):
    config = AnalysisConfig(primary={"toy": "last"}, resamples=500)
    toy = summarize(records, config, SYSTEMS)["families"]["toy"]
    base = toy["systems"]["base"]
    gap = base["arms"]["parallel"]["majority"]["estimate"]
    gap -= base["arms"]["sequential"]["last"]["estimate"]
    assert base["gaps"]["last"]["estimate"] == pytest.approx(gap, abs=1e-12)
    assert base["arms"]["parallel"]["last"] is None
    assert toy["adapters"]["diverse-s0"]["gap_base"] == base["gaps"]["last"]


def test_transitions_count_what_is_at_risk(records, toy):
    grades = correct(records, "base", "sequential")
    before, after = grades[:, :, :-1], grades[:, :, 1:]
    arm = toy["systems"]["base"]["arms"]["sequential"]
    assert arm["repair"]["at_risk"] == (~before).sum()
    assert arm["repair"]["estimate"] == pytest.approx(after[~before].mean())
    assert arm["damage"]["estimate"] == pytest.approx((~after)[before].mean())
    assert arm["repeat_after_wrong"]["estimate"] > 0.75


def first_right(grades):
    """Reference: events and attempts at risk of chains, [chain, step]."""
    first = np.where(grades.any(axis=1), grades.argmax(axis=1), 6)
    return ((first > 0) & (first < 6)).sum(), np.minimum(first, 5).sum()


def test_the_first_right_answer_is_counted_where_all_before_are_wrong(records, toy):
    events, asked = first_right(correct(records, "base", "sequential").reshape(-1, 6))
    found = toy["systems"]["base"]["arms"]["sequential"]["first_right"]
    assert found["at_risk"] == asked and found["estimate"] == pytest.approx(events / asked)


def test_the_first_right_answer_of_parallel_attempts_is_the_mean_over_their_orders(records, toy):
    pool = correct(records, "base", "parallel").reshape(-1, 12)
    rng = np.random.default_rng(0)
    orders = [rng.permuted(pool, axis=1).reshape(-1, 6) for _ in range(400)]
    events, asked = np.mean([first_right(grades) for grades in orders], axis=0)
    found = toy["systems"]["base"]["arms"]["parallel"]["first_right"]
    assert found["at_risk"] == pytest.approx(asked, rel=0.01)
    assert found["estimate"] == pytest.approx(events / asked, rel=0.01)
