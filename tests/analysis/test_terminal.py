import math

import pytest
from msgspec.structs import replace
from rich.console import Console
from simulated import simulate

from analysis.config import AnalysisConfig
from analysis.summary import summarize
from analysis.terminal import print_summary, with_censoring, with_interval
from sample.records import Ledger

PAIR = {("base", arm): 0.0 for arm in ("parallel", "sequential")}


@pytest.fixture(scope="module")
def summary():
    systems = ("base", "unanchored", "diverse-s0", "history-s0", "diverse-s1")
    reuse = {(s, arm): 0.0 for s in systems for arm in ("parallel", "sequential")}
    reuse |= {("base", "sequential"): 0.8, ("base", "irrelevant_context"): 0.1}
    del reuse["diverse-s1", "sequential"]
    config = AnalysisConfig(primary={"toy": "coverage"}, resamples=200)
    return summarize(simulate(reuse, problems=120, steps=4), config)


def printed(summary, width):
    console = Console(width=width, record=True, force_terminal=False)
    with console.capture() as capture:
        print_summary(summary, console)
    return capture.get()


@pytest.mark.parametrize("width", [80, 100])
def test_no_number_is_cut_at_usual_widths(summary, width):
    text = printed(summary, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for system in summary["families"]["toy"]["systems"].values():
        for arm in system["arms"].values():
            assert with_interval(arm["repeat_rate"]) in text
        if system["gaps"]["coverage"]:
            assert with_interval(system["gaps"]["coverage"]) in text
    first = summary["families"]["toy"]["systems"]["base"]["arms"]["sequential"]["first_right"]
    rows = [line for line in text.splitlines() if with_interval(first) in line]
    assert any(line.rstrip().endswith(f" {first['at_risk']:,}") for line in rows)
    assert "irrelevant_context" in text


def test_the_gap_at_equal_tokens_is_printed(summary):
    found = summary["families"]["toy"]["equal_compute"]
    assert found["diverse-s1"] is None
    text = printed(summary, 80)
    for system in ("base", "unanchored"):
        assert with_interval(found[system]["gaps"]["generated"]) in text
        assert with_censoring(found[system]["ratios"][-1]) in text


def test_without_token_counts_there_is_no_table_of_equal_tokens():
    ledger = Ledger(math.nan, None, math.nan, math.nan, 0.0)
    attempts = [replace(a, ledger=ledger) for a in simulate(PAIR, problems=20, steps=2)]
    text = printed(summarize(attempts, AnalysisConfig(resamples=200)), 80)
    assert "equal tokens" not in text


def test_a_ratio_that_is_never_reached_is_censored_and_never_dropped():
    ratio = {"ratio": 1.5, "low": 1.2, "high": 2.0, "least": 2.5, "n": 9, "reason": None}
    assert with_censoring(ratio) == "1.50x [1.20, 2.00]"
    assert with_censoring({**ratio, "high": None}) == "1.50x [1.20, never]"
    assert with_censoring({**ratio, "ratio": None, "high": None}) == "not by 2.50x"
    assert with_censoring({**ratio, "n": 4, "low": None, "high": None}) == "1.50x"
    assert with_censoring({**ratio, "ratio": None, "reason": "parallel solves nothing"}) == "-"


def test_the_star_of_a_degenerate_interval_is_explained_where_there_is_one(summary):
    star = "* too few problems that vary for a t interval"
    few = summarize(simulate(PAIR, problems=4, steps=2), AnalysisConfig(resamples=200))
    assert "]*" in printed(few, 80) and star in printed(few, 80)
    assert "]*" not in printed(summary, 80) and star not in printed(summary, 80)


def test_one_of_a_thing_and_a_missing_arm_are_told_once():
    attempts = simulate({**PAIR, ("diverse-s0", "parallel"): 0.0}, 1, 1, 1)
    text = printed(summarize(attempts, AnalysisConfig(resamples=200)), 100)
    assert "toy: 1 problem, N = 1 attempt, 1 replicate, judged by majority" in text
    assert "diverse-s0 Not measured: an arm of" in text


def test_every_verdict_and_warning_is_printed(summary):
    text = " ".join(printed(summary, 100).split())
    family = summary["families"]["toy"]
    for judged in (*family["adapters"].values(), *family["models"].values()):
        assert judged["reason"] in text
        assert (judged["verdict"] or "not measured") in text
    for warning in summary["warnings"]:
        assert warning in text


def test_the_attribution_and_checks_that_fail_are_printed(summary):
    family = summary["families"]["toy"]
    text = " ".join(printed(summary, 100).split())
    for sentence in family["attribution"]["base"]["reading"]:
        assert sentence in text
    check = {"question": "Is it long?", "estimate": 0.5, "passed": False}
    causes = {"base": {"reading": [], "checks": {"padded": [check, {**check, "passed": True}]}}}
    spoiled = {**summary, "families": {"toy": {**family, "attribution": causes}}}
    assert printed(spoiled, 100).count("check failed: padded of base: Is it long? No: 0.50.") == 1


def test_numbers_carry_their_interval_and_a_star_where_degenerate():
    found = {"estimate": -0.0001, "low": -0.021, "high": 0.02, "n": 9, "degenerate": True}
    assert with_interval(found) == "0.0 [-2.1, 2.0]*"
    assert with_interval({"estimate": 2.5, "low": None, "high": None}, 1, 2) == "2.50"
    assert with_interval(None) == with_interval({"estimate": None}) == "-"


def test_names_with_brackets_are_not_markup(summary):
    family = dict(summary["families"]["toy"])
    family["systems"] = {"model[bold]": family["systems"]["base"]}
    text = printed({**summary, "families": {"set[red]": family}}, 100)
    assert "set[red]" in text and "model[bold]" in text
