"""The gap over log2 tokens as the primary endpoint: the same judge, resampling and report."""

import json
from dataclasses import replace

import pytest
from msgspec import structs
from report_files import words_alone
from rich.console import Console
from simulated import simulate

from analysis.config import AnalysisConfig, Stopping, adapter_info
from analysis.matching import both_sides, contrast, over_budgets
from analysis.pilot import read_pilot
from analysis.summary import summarize
from analysis.table import build_table
from analysis.terminal import print_summary
from analysis.until_decided import watch_all
from sample.errors import UsageError
from sample.records import Ledger

PRIMARY = AnalysisConfig(primary={"toy": "auc_coverage"}, resamples=200, margin=0.05)
INFOS = {"new": adapter_info("new", "base")}


def study(new=0.0, problems=150):
    arms = {("base", "parallel"): 0.0, ("base", "sequential"): 0.9, ("base", "tally"): 0.5}
    arms |= {("new", "parallel"): 0.0, ("new", "sequential"): new}
    return list(simulate(arms, problems=problems, seed=1))


@pytest.fixture(scope="module")
def found():
    return summarize(study(), PRIMARY, INFOS)


def test_it_is_the_gap_at_equal_compute_with_its_resampling(found):
    family = found["families"]["toy"]
    gap, matched = family["systems"]["base"]["gaps"]["auc_coverage"], family["equal_compute"]
    shown = matched["base"]["gaps"]["generated"]
    assert {k: gap[k] for k in ("estimate", "low", "high", "p_t")} == {
        k: shown[k] for k in ("estimate", "low", "high", "p_t")
    }
    assert gap["p_flip"] is not None and gap["boot_low"] < gap["estimate"] < gap["boot_high"]
    assert family["primary"] == "auc_coverage"


def test_the_judge_rests_on_it(found):
    entry = found["families"]["toy"]["adapters"]["new"]
    assert entry["verdict"] == "CLOSED"
    assert entry["did"]["estimate"] == pytest.approx(
        entry["gap_base"]["estimate"] - entry["gap_adapted"]["estimate"]
    )
    assert entry["steps"][0]["estimate"] == entry["gap_base"]["estimate"]
    assert set(entry["other_aggregators"]) == {"coverage", "majority", "accuracy", "last"}
    assert found["tests"]["confirmatory"][0]["aggregator"] == "auc_coverage"
    worse = summarize(study(new=0.9), PRIMARY, INFOS)["families"]["toy"]["adapters"]["new"]
    assert worse["verdict"] == "NOT_SHOWN"


def test_the_change_of_an_arm_is_on_the_budgets_that_both_models_can_spend(found):
    cells = build_table(study()).cells
    new, base = (cells["toy", system, "sequential"] for system in ("new", "base"))
    sides = both_sides(new, base, "coverage", ("sequential", "sequential"))
    change = found["families"]["toy"]["adapters"]["new"]["sequential_change"]
    expected = contrast(sides, over_budgets("generated"))
    assert change["estimate"] == pytest.approx(expected.estimate)
    assert change["estimate"] > 0.1
    control = found["families"]["toy"]["controls"]["tally"]["difference"]
    assert 0 < control["estimate"] < found["families"]["toy"]["adapters"]["new"]["did"]["estimate"]


def test_it_can_be_planned_for_and_watched():
    (pilot,) = read_pilot(study(), PRIMARY)
    assert 0.1 < pilot.contrasts["gap"].estimate < 0.5
    config = replace(PRIMARY, stopping=Stopping(looks=4))
    orders = {"toy": sorted({a.problem for a in study()})}
    watched = watch_all(study(), orders, config, {}, steps=4, replicates=2)["toy"]
    assert watched.decision.answer == "gap"


def test_without_token_counts_there_is_no_verdict_and_the_reason_is_said():
    ledger = Ledger(10, None, float("nan"), float("nan"), 0.0)  # type: ignore[arg-type]
    blind = [structs.replace(a, ledger=ledger) for a in study(problems=20)]
    found = summarize(blind, PRIMARY, INFOS)
    assert found["families"]["toy"]["adapters"]["new"]["verdict"] is None
    said = "base has no auc_coverage on 20 problems: token counts are missing"
    assert any(said in warning for warning in found["warnings"])


def test_terminal_and_report_name_it(found, tmp_path):
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        print_summary(found, console)
    assert "its gap over log2 tokens (points)" in " ".join(capture.get().split())
    page = words_alone(json.loads(json.dumps(found)), tmp_path)
    assert "coverage@4, mean over log2 tokens" in page


def test_another_name_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"auc_majority.*given: 'auc'"):
        AnalysisConfig(primary={"toy": "auc"})
