import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from simulated import attempt, simulate

from analysis.config import AnalysisConfig, SystemInfo, adapter_info
from analysis.summary import summarize
from sample.errors import UsageError
from sample.records import Failure

CONFIG = AnalysisConfig(margin=0.05, primary={"toy": "coverage"}, resamples=500)
REUSE = {
    ("base", "parallel"): 0.0,
    ("base", "sequential"): 0.8,
    ("base", "irrelevant_context"): 0.2,
    ("unanchored", "parallel"): 0.0,
    ("unanchored", "sequential"): 0.0,
    **{(f"diverse-s{s}", arm): 0.0 for s in (0, 1) for arm in ("parallel", "sequential")},
    ("history-s0", "parallel"): 0.0,
    ("history-s0", "sequential"): 0.5,
}
SYSTEMS = {
    "base": SystemInfo("base"),
    "unanchored": SystemInfo("unanchored"),
    **{name: adapter_info(name, "base") for name in ("diverse-s0", "diverse-s1", "history-s0")},
}


@pytest.fixture(scope="module")
def records():
    return list(simulate(REUSE, problems=400, steps=6, seed=1))


@pytest.fixture(scope="module")
def summary(records):
    return summarize(records, CONFIG, SYSTEMS, name="run", created="2026-11-24T00:00:00+00:00")


@pytest.fixture(scope="module")
def toy(summary):
    return summary["families"]["toy"]


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
    from analysis.config import SystemInfo
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
    again = summarize(renamed, CONFIG, SYSTEMS, name="run", created=summary["run"]["created"])
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


def test_a_missing_arm_is_a_warning_and_null(records):
    kept = [a for a in records if (a.system, a.arm) != ("diverse-s0", "sequential")]
    kept = [a for a in kept if (a.system, a.arm) != ("unanchored", "parallel")]
    found = summarize(kept, CONFIG, SYSTEMS)
    toy = found["families"]["toy"]
    assert "toy: diverse-s0 has no sequential arm, so it has no gap" in found["warnings"]
    assert toy["adapters"]["diverse-s0"]["verdict"] is None
    assert toy["adapters"]["diverse-s0"]["did"] is None
    assert toy["models"]["unanchored"]["verdict"] is None
    assert toy["systems"]["unanchored"]["arms"]["sequential"]["repeat_baseline"] is None
    assert toy["systems"]["unanchored"]["identity"] is None
    assert toy["methods"]["diverse"]["seeds"] == 1


def test_a_base_without_records_is_a_warning(records):
    found = summarize([a for a in records if a.system != "base"], CONFIG, SYSTEMS)
    assert "no attempts of the base 'base'" in found["warnings"][0]
    assert found["families"]["toy"]["adapters"]["diverse-s0"]["verdict"] is None


def test_only_problems_that_both_sides_have_are_compared(records):
    kept = [a for a in records if not (a.system == "diverse-s0" and a.problem >= "p0300")]
    kept = [a for a in kept if not (a.arm == "sequential" and a.problem < "p0010")]
    found = summarize(kept, CONFIG, SYSTEMS)
    adapter = found["families"]["toy"]["adapters"]["diverse-s0"]
    assert [adapter[k]["n"] for k in ("gap_base", "gap_adapted", "did")] == [290] * 3
    assert adapter["parallel_change"]["n"] == adapter["sequential_change"]["n"] == 290
    change = adapter["gap_base"]["estimate"] - adapter["gap_adapted"]["estimate"]
    assert adapter["did"]["estimate"] == pytest.approx(change, abs=1e-12)
    said = "base has 400 problems in parallel and 390 in sequential; the gap uses the 390 shared"
    assert any(said in w for w in found["warnings"])
    assert any("their comparison uses the 290 shared" in w for w in found["warnings"])


def test_ungraded_failed_and_missing_attempts_are_reported(records):
    base = [a for a in records if a.system == "base"]
    spoiled = [replace(base[0], correct=None), *base[1:-2]]
    failure = Failure("Timeout", "60 s")
    spoiled.append(replace(base[-2], finish="error", correct=None, failure=failure))
    found = summarize(spoiled, CONFIG, steps=6)
    text = "\n".join(found["warnings"])
    assert "base/parallel: 0.021 % of attempts not graded, left out" in text
    assert "base/irrelevant_context: 0.021 % of attempts failed, read as wrong" in text
    assert "base/irrelevant_context: 1 attempts missing; sampling is not finished" in text
    arm = found["families"]["toy"]["systems"]["base"]["arms"]["parallel"]
    assert arm["ungraded"] == pytest.approx(1 / 4800)


@pytest.mark.parametrize(("every", "told"), [(20, 0), (2, 3)])
def test_attempts_cut_off_are_told_of_each_arm_where_they_are_many(records, every, told):
    base = [a for a in records if a.system == "base"]
    for i in range(0, len(base), every):
        base[i] = replace(base[i], finish="length", answer=None, canonical=None, correct=False)
    warnings = summarize(base, CONFIG, steps=6)["warnings"]
    said = "of attempts cut off, read as wrong; raise sample.decoding.max_new_tokens"
    assert sum(said in warning for warning in warnings) == told


def test_dropping_ungraded_parallel_attempts_leaves_the_pool_unbiased():
    records = [
        attempt(f"p{i}", step=s, replicate=r) for i in range(8) for s in (1, 2) for r in (0, 1)
    ]
    records[0] = replace(records[0], correct=None)
    arm = summarize(records, CONFIG)["families"]["toy"]["systems"]["base"]["arms"]["parallel"]
    assert arm["coverage"]["estimate"] == arm["majority"]["estimate"] == 1
    assert arm["accuracy"]["n"] == 8


def test_one_run_per_problem_uses_bonett_price_and_mcnemar(records):
    single = [a for a in records if a.replicate == 0]
    gap = summarize(single, CONFIG, SYSTEMS)["families"]["toy"]["systems"]["base"]["gaps"][
        "coverage"
    ]
    assert gap["method"] == "bonett-price"
    assert gap["p_mcnemar"] is not None
    assert gap["fixed_low"] is None


def test_all_wrong_is_degenerate_not_certain():
    records = [
        attempt(f"p{i}", arm, step=s, correct=False)
        for i in range(30)
        for arm in ("parallel", "sequential")
        for s in (1, 2)
    ]
    toy = summarize(records, CONFIG)["families"]["toy"]
    gap = toy["systems"]["base"]["gaps"]["coverage"]
    assert gap["degenerate"] and gap["low"] < 0 < gap["high"]
    assert gap["p_t"] is None and gap["p_flip"] == 1
    assert toy["systems"]["base"]["identity"] is None
    assert toy["systems"]["base"]["arms"]["parallel"]["selection"] is None


def test_settings_chosen_after_sampling_are_exploratory(records):
    found = summarize(records, CONFIG, SYSTEMS, registered=False)
    assert found["settings"]["fixed_before_sampling"] is False
    assert "exploratory" in found["warnings"][0]
    assert found["families"]["toy"]["adapters"]["diverse-s0"]["verdict"] == "NARROWED"


def test_a_fixed_verdict_needs_replicates(records):
    config = AnalysisConfig(estimand="fixed", resamples=500)
    with pytest.raises(UsageError, match="at least 2 replicates"):
        summarize([a for a in records if a.replicate == 0], config)
    assert summarize(records, config, SYSTEMS)["settings"]["estimand"] == "fixed"


def test_systems_that_the_config_does_not_name_are_guessed_and_said(records):
    found = summarize(records, CONFIG, {"base": SystemInfo("base")})
    assert "diverse-s0 is not in the config: read as an adapter of base" in found["warnings"]
    assert "unanchored is not in the config: read as a model" in found["warnings"]
    assert set(found["families"]["toy"]["adapters"]) == {"diverse-s0", "diverse-s1", "history-s0"}


def test_an_adapter_is_compared_with_the_model_it_sits_on(records):
    systems = {**SYSTEMS, "diverse-s0": adapter_info("diverse-s0", "unanchored")}
    toy = summarize(records, CONFIG, systems)["families"]["toy"]
    adapter = toy["adapters"]["diverse-s0"]
    assert adapter["verdict"] == "NO_GAP"
    assert adapter["gap_base"] == toy["systems"]["unanchored"]["gaps"]["coverage"]


def test_transitions_count_what_is_at_risk(records, toy):
    grades = correct(records, "base", "sequential")
    before, after = grades[:, :, :-1], grades[:, :, 1:]
    arm = toy["systems"]["base"]["arms"]["sequential"]
    assert arm["repair"]["at_risk"] == (~before).sum()
    assert arm["repair"]["estimate"] == pytest.approx(after[~before].mean())
    assert arm["damage"]["estimate"] == pytest.approx((~after)[before].mean())
    assert arm["repeat_after_wrong"]["estimate"] > 0.75


@pytest.mark.parametrize(("problems", "steps", "replicates"), [(1, 1, 1), (2, 1, 2), (6, 2, 1)])
def test_tiny_runs_are_summarised_without_claims(problems, steps, replicates, recwarn):
    found = summarize(simulate(REUSE, problems, replicates, steps), CONFIG, SYSTEMS)
    toy = found["families"]["toy"]
    assert not [w for w in recwarn if w.category is RuntimeWarning]
    for adapter in toy["adapters"].values():
        assert adapter["verdict"] != "CLOSED"
        assert adapter["did"]["n"] == problems
    json.dumps(found, allow_nan=False)


def test_an_unfinished_run_is_summarised_with_a_warning(records, recwarn):
    found = summarize(records[: len(records) // 2 + 7], CONFIG, SYSTEMS, steps=6)
    assert any("sampling is not finished" in warning for warning in found["warnings"])
    assert not [w for w in recwarn if w.category is RuntimeWarning]
    json.dumps(found, allow_nan=False)


def test_seeds_or_terms_without_variation_get_no_interval():
    records = [
        attempt(f"p{i}", arm, system, step=s, correct=i < 20)
        for i in range(30)
        for arm in ("parallel", "sequential")
        for system in ("base", "diverse-s0", "diverse-s1")
        for s in (1, 2)
    ]
    toy = summarize(records, CONFIG)["families"]["toy"]
    assert toy["methods"]["diverse"]["did"] == {
        "estimate": 0,
        **dict.fromkeys(("low", "high", "crossed_low", "crossed_high")),
        "n": 2,
    }
    term = toy["systems"]["base"]["identity"]["coverage_term"]
    assert term["degenerate"] and term["low"] is None
