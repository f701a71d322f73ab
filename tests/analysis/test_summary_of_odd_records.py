import json

import pytest
from msgspec.structs import replace
from planted import CONFIG, REUSE, SYSTEMS
from simulated import attempt, simulate

from analysis.config import AnalysisConfig, RunInfo, SystemInfo, adapter_info
from analysis.summary import summarize
from sample.errors import UsageError
from sample.records import Failure


def test_a_missing_arm_is_a_warning_and_null(few):
    kept = [a for a in few if (a.system, a.arm) != ("diverse-s0", "sequential")]
    kept = [a for a in kept if (a.system, a.arm) != ("unanchored", "parallel")]
    found = summarize(kept, CONFIG, SYSTEMS)
    toy = found["families"]["toy"]
    cannot = " | ".join(toy["diagnosis"]["cannot"])
    assert "no gap of diverse-s0: it has no sequential arm; arms seen: parallel" in cannot
    assert toy["adapters"]["diverse-s0"]["verdict"] is None
    assert toy["adapters"]["diverse-s0"]["did"] is None
    assert toy["models"]["unanchored"]["verdict"] is None
    assert toy["systems"]["unanchored"]["arms"]["sequential"]["repeat_baseline"] is None
    assert toy["systems"]["unanchored"]["identity"] is None
    assert toy["methods"]["diverse"]["seeds"] == 1


def test_a_base_without_records_is_a_warning(few):
    found = summarize([a for a in few if a.system != "base"], CONFIG, SYSTEMS)
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
    found = summarize(spoiled, CONFIG, run=RunInfo(steps=6))
    text = "\n".join(found["warnings"])
    assert "base/parallel: 0.021 % of attempts not graded, left out" in text
    cannot = found["families"]["toy"]["diagnosis"]["cannot"]
    said = "base/irrelevant_context: 0.021 % of attempts failed, read as wrong"
    assert any(sentence.startswith(said) for sentence in cannot)
    assert "base/irrelevant_context: 1 attempt missing; sampling is not finished" in text
    arm = found["families"]["toy"]["systems"]["base"]["arms"]["parallel"]
    assert arm["ungraded"] == pytest.approx(1 / 4800)


def test_files_with_unequal_replicates_are_told_so_and_are_no_unfinished_run(records):
    files = [replace(a, config="") for a in records if a.system == "base" and a.problem < "p0030"]
    fewer = [a for a in files if not (a.arm == "parallel" and a.replicate and a.problem > "p0010")]
    text = "\n".join(summarize(fewer, CONFIG)["warnings"])
    assert "sampling is not finished" not in text
    said = "base/parallel: problems have 6 to 12 of 12 places for attempts filled"
    assert said in text and "base/sequential" not in text


@pytest.mark.parametrize(("every", "told"), [(20, 0), (2, 3)])
def test_attempts_cut_off_are_told_of_each_arm_where_they_are_many(few, every, told):
    base = [a for a in few if a.system == "base"]
    for i in range(0, len(base), every):
        base[i] = replace(base[i], finish="length", answer=None, canonical=None, correct=False)
    warnings = summarize(base, CONFIG, run=RunInfo(steps=6))["warnings"]
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


def test_a_problem_with_one_replicate_leaves_the_bootstrap_its_second_level(records):
    def width(kept):
        gap = summarize(kept, CONFIG)["families"]["toy"]["systems"]["base"]["gaps"]["accuracy"]
        return gap["boot_high"] - gap["boot_low"]

    base = [a for a in records if a.system == "base" and a.problem < "p0100"]
    one_fewer = [a for a in base if not (a.problem == "p0000" and a.replicate)]
    single = [a for a in base if not a.replicate or a.problem == "p0001"]
    assert width(one_fewer) == pytest.approx(width(base), rel=0.02)
    assert width(single) > width(base)


def test_one_run_per_problem_uses_bonett_price_and_mcnemar(few):
    single = [a for a in few if a.replicate == 0]
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
    found = summarize(records, CONFIG, SYSTEMS, RunInfo(registered=False))
    assert found["settings"]["fixed_before_sampling"] is False
    assert "exploratory" in found["warnings"][0]
    assert found["families"]["toy"]["adapters"]["diverse-s0"]["verdict"] == "NARROWED"


def test_records_of_another_config_than_the_one_at_hand_are_exploratory(records, few):
    found = summarize(few, CONFIG, SYSTEMS, RunInfo(hashes=["c0ffee", "older"]))
    assert found["settings"]["fixed_before_sampling"] is True
    found = summarize(records, CONFIG, SYSTEMS, RunInfo(hashes=["edited"]))
    assert found["settings"]["fixed_before_sampling"] is False
    said = "not fixed before sampling: config.yaml was changed after sampling began"
    assert found["warnings"][0].startswith(said)
    assert found["families"]["toy"]["adapters"]["diverse-s0"]["verdict"] == "NARROWED"


def test_a_fixed_verdict_needs_replicates(few):
    config = AnalysisConfig(estimand="fixed", resamples=500)
    with pytest.raises(UsageError, match="at least 2 replicates"):
        summarize([a for a in few if a.replicate == 0], config)
    assert summarize(few, config, SYSTEMS)["settings"]["estimand"] == "fixed"


def test_systems_that_the_config_does_not_name_are_guessed_and_said(few):
    found = summarize(few, CONFIG, {"base": SystemInfo("base")})
    assert "diverse-s0 is not in the config: read as an adapter of base" in found["warnings"]
    assert "unanchored is not in the config: read as a model" in found["warnings"]
    assert set(found["families"]["toy"]["adapters"]) == {"diverse-s0", "diverse-s1", "history-s0"}


def test_an_adapter_is_compared_with_the_model_it_sits_on(records):
    systems = {**SYSTEMS, "diverse-s0": adapter_info("diverse-s0", "unanchored")}
    toy = summarize(records, CONFIG, systems)["families"]["toy"]
    adapter = toy["adapters"]["diverse-s0"]
    assert adapter["verdict"] == "NO_GAP"
    assert adapter["gap_base"] == toy["systems"]["unanchored"]["gaps"]["coverage"]


@pytest.mark.parametrize(("problems", "steps", "replicates"), [(1, 1, 1), (2, 1, 2), (6, 2, 1)])
def test_tiny_runs_are_summarised_without_claims(problems, steps, replicates, recwarn):
    found = summarize(simulate(REUSE, problems, replicates, steps), CONFIG, SYSTEMS)
    toy = found["families"]["toy"]
    assert not [w for w in recwarn if w.category is RuntimeWarning]
    for adapter in toy["adapters"].values():
        assert adapter["verdict"] != "CLOSED"
        assert adapter["did"]["n"] == problems
    json.dumps(found, allow_nan=False)


def test_an_unfinished_run_is_summarised_with_a_warning(few, recwarn):
    found = summarize(few[: len(few) // 2 + 7], CONFIG, SYSTEMS, RunInfo(steps=6))
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
