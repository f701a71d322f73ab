"""The stopping rule on records: what is decided, asked for and said, however the run was cut."""

import json

import pytest
from msgspec.structs import replace
from simulated import simulate

from analysis.config import AnalysisConfig, RunInfo, Stopping, SystemInfo
from analysis.stopping import monitoring_order
from analysis.summary import summarize
from analysis.terminal import print_summary
from analysis.until_decided import sample_until_decided, watch_all
from sample.errors import UsageError

GAP = {("base", "parallel"): 0.0, ("base", "sequential"): 0.95}
SAME = {("base", "parallel"): 0.0, ("base", "sequential"): 0.0}
SIZES = {"steps": 4, "replicates": 2}
INFOS = {"base": SystemInfo("base"), "new": SystemInfo("new", "base", "new")}
CONFIG = AnalysisConfig(primary={"toy": "coverage"}, resamples=100, stopping=Stopping(looks=4))


def made(arms, problems=60, seed=1, **options):
    return list(simulate(arms, problems=problems, **SIZES, seed=seed, **options))


def watched(attempts, order, adapters=()):
    infos = {name: INFOS[name] for name in adapters}
    return watch_all(attempts, {"toy": order}, CONFIG, infos, **SIZES)["toy"]


@pytest.fixture
def attempts():
    return made(GAP)


@pytest.fixture
def order(attempts):
    return monitoring_order({a.problem for a in attempts}, 0)


def test_only_a_finished_prefix_of_the_order_is_watched(attempts, order):
    nothing = watched([], order)
    assert (nothing.decision.used, nothing.asked, nothing.early) == (0, 15, False)
    torn = [a for a in attempts if (a.problem, a.step) != (order[3], 4)]
    found = watched(torn, order)
    assert (found.decision.used, found.asked, found.finished) == (0, 15, 59)
    first = [a for a in attempts if a.problem in order[:20]]
    assert (watched(first, order).decision.used, watched(first, order).asked) == (15, 30)
    assert watched([a for a in attempts if a.arm == "parallel"], order).asked == 15


def test_problems_sampled_beyond_the_deciding_look_change_nothing(attempts, order):
    whole = watched(attempts, order)
    assert whole.decision.answer == "gap" and whole.asked == whole.decision.used < 60
    less = watched([a for a in attempts if a.problem in order[: whole.asked]], order)
    assert less.decision == whole.decision and less.early and not whole.early


def test_an_ungraded_problem_is_left_out_and_replaced(attempts, order):
    lost = order[2]
    blank = [a if a.problem != lost else replace(a, correct=None) for a in attempts]
    first = [a for a in blank if a.problem in order[:15]]
    assert (watched(first, order).decision.used, watched(first, order).asked) == (0, 16)
    some = [a for a in blank if a.problem in order[:16]]
    assert watched(some, order).decision.used == 15
    end = watched(blank, order)
    assert order[: end.asked].count(lost) == 1 and end.asked == end.decision.used + 1


def run(attempts, orders, adapters=()):
    """Sample from what would be made."""
    held, told, calls = [], [], []

    def make(upto):
        calls.append(dict(upto))
        wanted = {p for family, size in upto.items() for p in orders[family][:size]}
        held[:] = [a for a in attempts if a.problem in wanted]

    def now():
        return watch_all(held, orders, CONFIG, {name: INFOS[name] for name in adapters}, **SIZES)

    return sample_until_decided(now, make, told.append), told, calls


def test_a_gap_ends_sampling_early_and_no_gap_runs_to_the_end(attempts, order):
    upto, told, calls = run(attempts, {"toy": order})
    assert upto["toy"] < 60 and told[-1].startswith("toy: Decided: gap;")
    assert [c["toy"] for c in calls] == [15, 30, 45, 60][: len(calls)]
    same = made(SAME)
    upto, told, _ = run(same, {"toy": order})
    assert upto == {"toy": 60} and len(told) == 4 and "no problems are left" in told[-1]


NEW = {("new", "parallel"): 0.0, ("new", "sequential"): 0.95}
HELPED = {**GAP, ("new", "parallel"): 0.0, ("new", "sequential"): 0.5}


def test_beside_an_adapter_the_gap_of_the_base_alone_ends_nothing(attempts, order):
    """To show what an adapter does takes more problems than to show that there is a gap."""
    both = made({**GAP, **NEW})
    alone, beside = watched(both, order), watched(both, order, ["new"])
    assert alone.asked < 60 and alone.verdicts == {}
    assert (beside.asked, beside.decision.used, beside.early) == (60, 60, False)
    assert beside.decision.answer == "gap" and beside.decision.stop
    assert beside.verdicts == {"new": None}
    assert beside.sentence.endswith("No problems are left to decide new.")
    some = watched([a for a in both if a.problem in order[: alone.asked]], order, ["new"])
    assert some.decision.answer == "gap" and not some.decision.stop
    assert some.asked == alone.asked + 15 and some.sentence.endswith("It goes on for new.")
    assert watched(attempts, order, ["new"]).asked == 15  # it has no attempts yet


def test_the_verdict_on_an_adapter_ends_sampling_early_and_is_the_one_that_is_given():
    both = made(HELPED, problems=200)
    names = monitoring_order({a.problem for a in both}, 0)
    upto, told, calls = run(both, {"toy": names}, ["new"])
    assert told[-1].endswith("Verdicts decided: new NARROWED.") and upto["toy"] < 200
    assert "It goes on for new." in told[0] and len(calls) > 1
    some = [a for a in both if a.problem in names[: upto["toy"]]]
    found = summary(some, names, INFOS)["families"]["toy"]
    assert found["stopping"]["adapters"] == {"new": "NARROWED"}
    assert found["adapters"]["new"]["verdict"] == "NARROWED"
    assert "stopped early" in found["stopping"]["caution"]
    whole = summary(both, names, INFOS)["families"]["toy"]
    assert whole["adapters"]["new"]["steps"] == found["adapters"]["new"]["steps"]


def test_without_a_gap_in_the_base_no_adapter_is_sampled_further():
    arms = {("base", "parallel"): 0.95, ("base", "sequential"): 0.0, **NEW}
    both = made(arms)
    found = watched(both, monitoring_order({a.problem for a in both}, 0), ["new"])
    assert found.decision.answer in ("reversed", "within margin")
    assert found.decision.stop and found.asked < 60 and found.verdicts == {"new": "NO_GAP"}


def test_a_look_waits_for_every_system_and_leaves_out_what_one_of_them_lacks(order):
    both = made({**GAP, **NEW})
    torn = [a for a in both if (a.system, a.problem) != ("new", order[3])]
    assert watched(torn, order).decision.used > watched(torn, order, ["new"]).decision.used == 0
    blank = [
        replace(a, correct=None) if (a.system, a.problem) == ("new", order[3]) else a for a in both
    ]
    first = [a for a in blank if a.problem in order[:15]]
    assert (watched(first, order, ["new"]).decision.used, watched(first, order, ["new"]).asked) == (
        0,
        16,
    )


def test_a_decided_family_asks_for_no_more_while_another_goes_on(attempts, order):
    other = [replace(a, family="b", problem="b" + a.problem) for a in made(SAME)]
    orders = {"toy": order, "b": monitoring_order({a.problem for a in other}, 0)}
    upto, _, calls = run([*attempts, *other], orders)
    assert upto["toy"] < upto["b"] == 60
    assert calls[-1] == {"toy": upto["toy"], "b": 60}


def summary(attempts, order, systems=None):
    given = watched(attempts, order, ["new"] if systems else ())
    return summarize(attempts, CONFIG, systems, watched={"toy": given}, run=RunInfo(created="now"))


def test_the_summary_says_what_was_decided_and_what_that_does_to_the_rest(attempts, order, capsys):
    size = watched(attempts, order).asked
    found = summary([a for a in attempts if a.problem in order[:size]], order)
    stopping = found["families"]["toy"]["stopping"]
    gap = found["families"]["toy"]["systems"]["base"]["gaps"]["coverage"]
    assert stopping["answer"] == "gap" and stopping["asked"] == gap["n"] == size
    assert stopping["low"] < gap["low"] and gap["high"] < stopping["high"]
    assert stopping["estimate"] == pytest.approx(gap["estimate"])
    assert found["settings"]["stopping"] == {"method": "obrien-fleming", "looks": 4}
    assert not any("missing" in warning for warning in found["warnings"])
    json.dumps(found, allow_nan=False)
    print_summary(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert stopping["sentence"] in shown and "Sampling stopped early" in shown
    assert summary(attempts, order)["families"]["toy"]["stopping"]["caution"] is None
    assert summarize(attempts, CONFIG)["families"]["toy"]["stopping"] is None


def test_verdicts_hold_at_the_look_that_ended_the_run(order):
    both = made({**GAP, **NEW})
    stopped = summary(both, order, INFOS)["families"]["toy"]
    plain = summarize(both, CONFIG, INFOS)["families"]["toy"]
    first, usual = (f["adapters"]["new"]["steps"][0] for f in (stopped, plain))
    assert first["bound"] == pytest.approx(stopped["stopping"]["low"]) and first["passed"]
    assert first["bound"] < usual["bound"]
    change = [f["adapters"]["new"]["steps"][1]["bound"] for f in (stopped, plain)]
    assert change[0] < change[1]


def test_a_rule_is_asked_for_and_must_fit():
    with pytest.raises(UsageError, match=r"add to it analyze: \{stopping: \{method:"):
        AnalysisConfig().need_stopping()
    with pytest.raises(UsageError, match="20 in each set"):
        AnalysisConfig(stopping=Stopping()).rule(19)
    with pytest.raises(UsageError, match=r"analyze\.estimand: expected superpopulation"):
        AnalysisConfig(stopping=Stopping(), estimand="fixed")
    with pytest.raises(UsageError, match=r"analyze\.stopping\.method"):
        AnalysisConfig(stopping=Stopping("peek"))
