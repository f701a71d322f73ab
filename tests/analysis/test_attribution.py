import math

import numpy as np
import pytest
from simulated import attempt

from analysis.attribution import contrast
from analysis.config import AnalysisConfig, Design, RunInfo
from analysis.factorial import interactions
from analysis.intervals import interval
from analysis.report.tables import build_tables
from analysis.summary import summarize
from sample.records import Ledger

CONFIG = AnalysisConfig(margin=0.05, primary={"toy": "accuracy"}, resamples=500)
ARMS = ("parallel", "irrelevant_context", "tally", "sequential", "swapped_history")


def study(accuracy, problems=400, replicates=4, steps=2, seed=0, tokens=None):
    """Independent attempts; arm -> P(correct); wrong answers are many."""
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, 0.1, problems)
    for arm, p in accuracy.items():
        for i in range(problems):
            for replicate in range(replicates):
                for step in range(1, steps + 1):
                    right = bool(rng.random() < p + ease[i])
                    code = "0" if right else str(rng.integers(1, 30))
                    prompt = (tokens or {}).get(arm, 10 * step)
                    ledger = Ledger(int(prompt), None, 1, 1, 0.0)
                    yield attempt(
                        f"p{i:03}", arm, "base", replicate, step, code, right, ledger=ledger
                    )


def explain(accuracy, config=CONFIG, **options):
    summary = summarize(study(accuracy, **options), config)
    return summary["families"]["toy"]["attribution"]["base"]


@pytest.fixture(scope="module")
def exposed():
    """Exposure alone costs: 20 points with it, none for the context."""
    levels = dict(zip(ARMS, (0.6, 0.6, 0.4, 0.4, 0.5), strict=True))
    return explain(levels, tokens={"parallel": 10, "tally": 11})


def test_a_planted_cause_is_found_and_the_others_are_ruled_out(exposed):
    shares = exposed["gaps"]["accuracy"]["shares"]
    assert shares["exposure"]["shapley"]["simultaneous_low"] > 0.15
    assert shares["context"]["shapley"]["equivalent"]
    assert shares["context"]["shapley"]["p_equivalence"] < 0.05
    assert shares["exposure"]["shapley"]["of_gap"]["estimate"] == pytest.approx(1, abs=0.15)
    context, exposure = exposed["reading"]
    assert context.startswith("Not the longer context")
    assert exposure.startswith("Exposure to the earlier answers accounts for")


def test_shares_sum_to_the_gap_under_every_aggregator(exposed):
    for name, parts in exposed["gaps"].items():
        total = sum(share["shapley"]["estimate"] for share in parts["shares"].values())
        assert total == pytest.approx(parts["total"]["estimate"], abs=1e-12)
        assert ("aggregator" in parts["shares"]) == (name == "last")


def test_the_total_is_the_gap_of_the_system():
    levels = dict(zip(ARMS[:4], (0.6, 0.5, 0.5, 0.3), strict=True))
    summary = summarize(study(levels, problems=60), CONFIG)["families"]["toy"]
    for name, gap in summary["systems"]["base"]["gaps"].items():
        total = summary["attribution"]["base"]["gaps"][name]["total"]
        assert total["estimate"] == pytest.approx(gap["estimate"], abs=1e-12)


def test_simultaneous_intervals_are_wider_than_single_ones(exposed):
    for parts in exposed["gaps"].values():
        for share in parts["shares"].values():
            found = share["shapley"]
            width = found["simultaneous_high"] - found["simultaneous_low"]
            assert width > (found["high"] - found["low"]) * 0.99


def test_an_interaction_shows_in_the_range_of_the_orders():
    levels = dict(zip(ARMS[:4], (0.6, 0.6, 0.6, 0.4), strict=True))
    parts = explain(levels)["gaps"]["accuracy"]
    assert parts["interactions"]["context x exposure"]["low"] > 0.1
    for share in parts["shares"].values():
        assert share["least"] == pytest.approx(0, abs=0.03)
        assert share["most"] == pytest.approx(0.2, abs=0.03)
        assert share["shapley"]["estimate"] == pytest.approx(0.1, abs=0.03)


def test_a_factor_that_helps_or_harms_by_the_order_is_not_separable():
    levels = dict(zip(ARMS[:4], (0.5, 0.7, 0.6, 0.3), strict=True))
    found = explain(levels)
    assert found["gaps"]["accuracy"]["shares"]["context"]["separable"] is False
    assert any("cannot be separated" in sentence for sentence in found["reading"])


def test_without_the_exposure_arm_only_one_order_is_known():
    levels = {"parallel": 0.6, "irrelevant_context": 0.6, "sequential": 0.4}
    found = explain(levels)
    shares = found["gaps"]["accuracy"]["shares"]
    assert shares["context"]["shapley"] is None and shares["context"]["last"] is None
    assert shares["context"]["first"]["equivalent"]
    assert shares["exposure"]["last"]["low"] > 0.15 and shares["exposure"]["first"] is None
    assert found["reading"][0].startswith("Not the longer context by itself")
    assert "needs an arm 'tally'" in found["reading"][1]


def test_without_the_context_arm_it_is_the_other_order():
    found = explain({"parallel": 0.6, "tally": 0.4, "sequential": 0.4})
    assert found["gaps"]["accuracy"]["shares"]["exposure"]["first"]["low"] > 0.15
    assert found["reading"][0].startswith("Exposure to the earlier answers by itself costs")
    assert "needs an arm 'irrelevant_context'" in found["reading"][1]


def test_without_any_control_nothing_is_told_apart_but_the_aggregator():
    config = AnalysisConfig(primary={"toy": "last"}, resamples=500)
    found = explain({"parallel": 0.6, "sequential": 0.4}, config, problems=60)
    assert found["reading"][0].startswith("Context and exposure are not told apart")
    assert "the last answer in place of a vote is" in found["reading"][1]
    share = found["gaps"]["last"]["shares"]["aggregator"]
    assert share["shapley"] is None and share["first"]["n"] == share["last"]["n"] == 60


def test_the_loss_of_the_vote_is_the_aggregators_alone():
    config = AnalysisConfig(primary={"toy": "last"}, resamples=500)
    found = explain(dict.fromkeys(ARMS, 0.4), config, steps=8, replicates=2)
    shares = found["gaps"]["last"]["shares"]
    assert shares["aggregator"]["shapley"]["of_gap"]["estimate"] == pytest.approx(1, abs=0.1)
    for other in ("context", "exposure"):
        assert shares[other]["shapley"]["estimate"] == pytest.approx(0, abs=0.03)
    named = [sentence for sentence in found["reading"] if "accounts for" in sentence]
    assert len(named) == 1 and named[0].startswith("The aggregator")


def test_without_the_pair_there_is_no_attribution():
    assert explain({"parallel": 0.6, "tally": 0.4}, problems=5) is None


def test_exposure_splits_into_seeing_answers_and_their_being_its_own(exposed):
    split = exposed["gaps"]["accuracy"]["exposure_split"]
    assert split["seen"]["estimate"] == pytest.approx(0.1, abs=0.03)
    assert split["own"]["estimate"] == pytest.approx(0.1, abs=0.03)
    last = exposed["gaps"]["accuracy"]["shares"]["exposure"]["last"]["estimate"]
    assert split["seen"]["estimate"] + split["own"]["estimate"] == pytest.approx(last)
    assert exposed["gaps"]["last"]["exposure_split"] is None


def test_checks_of_each_control(exposed):
    passed = {arm: [check["passed"] for check in found] for arm, found in exposed["checks"].items()}
    assert passed["irrelevant_context"] == [True]
    # attempts of this study are independent, so no exposure shows in what they repeat
    assert passed["swapped_history"] == [True, True, False]
    assert passed["tally"] == [True, False]


def test_a_model_that_copies_what_it_is_shown_is_seen_to():
    records = list(study({"parallel": 0.3, "irrelevant_context": 0.3, "sequential": 0.3}, 60))
    shown = {(a.problem, a.replicate, a.step): a for a in records if a.arm == "parallel"}
    for (problem, replicate, step), source in shown.items():
        seen = shown[problem, replicate, 1] if step > 1 else source
        copy = attempt(problem, "swapped_history", "base", replicate, step, seen.canonical, False)
        records.append(copy)
    family = summarize(records, CONFIG)["families"]["toy"]
    checks = family["attribution"]["base"]["checks"]["swapped_history"]
    assert checks[2]["passed"] and checks[2]["estimate"] > 0.3


def test_arms_of_other_names_are_named_in_the_config():
    config = AnalysisConfig(
        primary={"toy": "accuracy"}, resamples=500, design=Design(context="padded")
    )
    found = explain({"parallel": 0.6, "padded": 0.6, "sequential": 0.5}, config, problems=50)
    assert found["arms"]["context"] == "padded"
    assert found["gaps"]["accuracy"]["shares"]["context"]["first"]["n"] == 50


def test_the_report_has_a_row_per_factor():
    levels = dict(zip(ARMS[:4], (0.6, 0.6, 0.4, 0.4), strict=True))
    whole = summarize(study(levels, problems=60), CONFIG)
    table = build_tables(whole)["attribution"]
    shares = whole["families"]["toy"]["attribution"]["base"]["gaps"]["accuracy"]["shares"]
    assert [row["factor"] for row in table.rows] == ["context", "exposure"]
    assert [row["shapley"] for row in table.rows] == [s["shapley"] for s in shares.values()]
    pair = summarize(study({"parallel": 0.6, "sequential": 0.4}, problems=9), CONFIG)
    assert "attribution" not in build_tables(pair)


def test_few_problems_make_no_claim():
    levels = dict(zip(ARMS[:4], (0.6, 0.6, 0.4, 0.4), strict=True))
    found = explain(levels, problems=2, replicates=1)
    assert not any(sentence.startswith("Not ") for sentence in found["reading"])
    assert math.isfinite(found["gaps"]["accuracy"]["total"]["estimate"])


@pytest.mark.parametrize("aggregator", ["coverage", "last"])
@pytest.mark.parametrize("arm", ["irrelevant_context", "tally"])
def test_a_control_cut_short_is_as_if_it_had_not_been_sampled(arm, aggregator):
    config = AnalysisConfig(primary={"toy": aggregator}, resamples=500)
    attempts = list(study(dict.fromkeys(ARMS, 0.4), problems=30, replicates=2, steps=4))
    cut = [a for a in attempts if a.arm != arm or a.step < 4]
    without = [a for a in attempts if a.arm != arm]
    found, expected = (
        summarize(some, config, run=RunInfo(steps=4))["families"]["toy"]["attribution"]["base"]
        for some in (cut, without)
    )
    assert found["reading"] == expected["reading"]
    assert found["gaps"][aggregator] == expected["gaps"][aggregator]
    assert found["arms"] == expected["arms"]


def test_an_interaction_may_reach_two():
    values = np.array([[0.0, 1.0, 1.0, 0.0]] * 20)
    (extra,) = interactions(values).values()
    found = interval(contrast(extra, 1, most=2.0), 0.05)
    assert found.estimate == 2.0
    assert found.low <= 2.0 <= found.high == 2.0
