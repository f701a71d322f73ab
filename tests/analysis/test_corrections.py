import pytest
from simulated import simulate

from analysis.config import AnalysisConfig
from analysis.corrections import corrected_json, correction_warnings
from analysis.multiplicity import benjamini_hochberg, holm
from analysis.summary import summarize

CONFIG = AnalysisConfig(margin=0.05, primary={"toy": "coverage"}, resamples=500)
PAIR = ("parallel", "sequential")


@pytest.fixture(scope="module")
def summary():
    reuse = {(s, arm): 0.0 for s in ("base", "diverse-s0", "history-s0") for arm in PAIR}
    reuse |= {("base", "sequential"): 0.8, ("history-s0", "sequential"): 0.7}
    reuse |= {("base", "irrelevant_context"): 0.1}
    return summarize(simulate(reuse, problems=150, steps=4), CONFIG)


def test_the_confirmatory_family_is_one_test_per_adapter_with_holm(summary):
    found = summary["tests"]["confirmatory"]
    assert [(t["test"], t["name"]) for t in found] == [("did", "diverse-s0"), ("did", "history-s0")]
    for test in found:
        did = summary["families"]["toy"]["adapters"][test["name"]]["did"]
        assert test["p"] == max(did["p_t"], did["p_flip"])
    assert [t["p_adjusted"] for t in found] == pytest.approx(holm([t["p"] for t in found]))


def test_controls_and_other_aggregators_are_exploratory(summary):
    found = summary["tests"]["exploratory"]
    assert {t["test"] for t in found} == {"control", "did"} and len(found) == 1 + 2 * 3
    adjusted = benjamini_hochberg([t["p"] for t in found])
    assert [t["p_adjusted"] for t in found] == pytest.approx(adjusted)


def test_without_adapters_the_gap_is_the_confirmatory_test():
    records = simulate({("base", "parallel"): 0.0, ("base", "sequential"): 0.5}, problems=40)
    found = summarize(records, CONFIG)["tests"]["confirmatory"]
    assert [(t["test"], t["name"], t["aggregator"]) for t in found] == [("gap", "base", "coverage")]


def test_every_model_is_a_confirmatory_test_where_several_are_compared():
    reuse = {
        (m, a): r for m in ("base", "big") for a, r in (("parallel", 0.0), ("sequential", 0.5))
    }
    found = summarize(simulate(reuse, problems=40), CONFIG)["tests"]["confirmatory"]
    assert [(t["test"], t["name"]) for t in found] == [("gap", "base"), ("gap", "big")]
    assert [t["p_adjusted"] for t in found] == pytest.approx(holm([t["p"] for t in found]))


def test_single_runs_are_tested_by_mcnemar():
    reuse = {("base", "parallel"): 0.0, ("base", "sequential"): 0.5}
    summary = summarize(simulate(reuse, problems=40, replicates=1), CONFIG)
    gap = summary["families"]["toy"]["systems"]["base"]["gaps"]["coverage"]
    assert summary["tests"]["confirmatory"][0]["p"] == gap["p_mcnemar"]


def test_a_claim_that_the_correction_takes_back_is_a_warning():
    gap = {"p_t": 0.03, "p_flip": 0.04, "p_mcnemar": float("nan")}
    adapters = {
        f"a{i}": {"did": gap, "verdict": verdict, "other_aggregators": {}}
        for i, verdict in enumerate(("NARROWED", "NOT_SHOWN"))
    }
    family = {"adapters": adapters, "controls": {}, "systems": {}, "primary": "coverage"}
    tests = corrected_json({"toy": family}, "base", 0.05)
    said = correction_warnings({"toy": family}, tests)
    assert said == [
        "toy: a0: that the gap shrank does not hold after Holm's correction over 2 tests "
        "(p 0.040, adjusted 0.080)"
    ]
