"""A run that is still being written gives no final verdict."""

import pytest
from planted import CONFIG, SYSTEMS
from report_files import words_alone
from simulated import simulate
from test_terminal import printed

from analysis.config import RunInfo
from analysis.interim import interim_json
from analysis.stopping import Decision
from analysis.stopping_rule import StoppingRule
from analysis.summary import summarize
from analysis.table import build_table
from analysis.watch import Look, Watch

PAIR = {("base", arm): 0.0 for arm in ("parallel", "sequential")}


def test_a_run_with_attempts_to_come_is_never_closed(summary, records, tmp_path):
    closed = summary["families"]["toy"]["adapters"]["diverse-s0"]
    assert closed["verdict"] == "CLOSED" and summary["families"]["toy"]["interim"] is None
    made, asked = len(records), len(records) + 1
    found = summarize(records, CONFIG, SYSTEMS, RunInfo(asked={"toy": asked}))
    toy, label = found["families"]["toy"], f"interim: {made} of {asked} attempts"
    assert (toy["interim"]["made"], toy["interim"]["asked"]) == (made, asked)
    adapter = toy["adapters"]["diverse-s0"]
    assert adapter["verdict"] == "NARROWED" and all(step["passed"] for step in adapter["steps"])
    assert adapter["withheld"].startswith(f"All four tests passed, but only {made} of {asked}")
    assert toy["adapters"]["history-s0"]["withheld"] is None
    for entry in (*toy["adapters"].values(), *toy["models"].values()):
        assert entry["reason"].startswith(label.capitalize())
    text, page = " ".join(printed(found, 100).split()), words_alone(found, tmp_path)
    assert f"Verdicts, {label}" in text and f"{label}; all four tests passed, but only" in page
    assert toy["interim"]["sentence"] in text and toy["interim"]["sentence"] in page


def test_a_run_that_is_whole_says_nothing_of_it(records):
    asked = {"toy": len(records), "other": 5}
    toy = summarize(records, CONFIG, SYSTEMS, RunInfo(asked=asked))["families"]["toy"]
    assert toy["interim"] is None and toy["adapters"]["diverse-s0"]["verdict"] == "CLOSED"


def test_each_family_counts_its_own_attempts():
    table = build_table(simulate(PAIR, problems=5, steps=2))
    found = interim_json(table, "toy", 41, None)
    assert found is not None and found["label"] == "interim: 40 of 41 attempts"
    assert interim_json(table, "toy", 40, None) is None


@pytest.mark.parametrize(("answer", "left"), [(None, False), ("gap", True)])
def test_a_rule_that_looks_for_itself_allows_for_it_until_it_has_decided(answer, left):
    table = build_table(simulate(PAIR, problems=5, steps=2))
    decision = Decision(answer, answer is not None, 5, 1, 0.2, 0.1, 0.3)
    names = table.problems["toy"]
    watch = Watch(names, Look(StoppingRule(20), 1, names), decision, {}, 5, 5)
    assert (interim_json(table, "toy", 50, watch) is not None) == left
