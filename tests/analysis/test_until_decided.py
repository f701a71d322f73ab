"""The stopping rule on records: what is decided, asked for and said, however the run was cut."""

import json

import pytest
from msgspec.structs import replace
from simulated import simulate

from analysis.config import AnalysisConfig, Stopping, SystemInfo
from analysis.stopping import monitoring_order
from analysis.stopping_rule import StoppingRule
from analysis.summary import summarize
from analysis.terminal import print_summary
from analysis.until_decided import sample_until_decided, watch, watch_all
from sample.errors import UsageError

GAP = {("base", "parallel"): 0.0, ("base", "sequential"): 0.95}
SAME = {("base", "parallel"): 0.0, ("base", "sequential"): 0.0}
SIZES = {"steps": 4, "replicates": 2}
RULE = StoppingRule(60, looks=4)
CONFIG = AnalysisConfig(primary={"toy": "coverage"}, resamples=100, stopping=Stopping(looks=4))


def made(arms, problems=60, seed=1, **options):
    return list(simulate(arms, problems=problems, **SIZES, seed=seed, **options))


def watched(attempts, order, rule=RULE):
    return watch(attempts, order, rule, aggregator="coverage", **SIZES)


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


def run(attempts, orders, config=CONFIG):
    """Sample from what would be made."""
    held, told, calls = [], [], []

    def make(upto):
        calls.append(dict(upto))
        wanted = {p for family, size in upto.items() for p in orders[family][:size]}
        held[:] = [a for a in attempts if a.problem in wanted]

    def now():
        return watch_all(held, orders, config, **SIZES)

    return sample_until_decided(now, make, told.append), told, calls


def test_a_gap_ends_sampling_early_and_no_gap_runs_to_the_end(attempts, order):
    upto, told, calls = run(attempts, {"toy": order})
    assert upto["toy"] < 60 and told[-1].startswith("toy: Decided: gap;")
    assert [c["toy"] for c in calls] == [15, 30, 45, 60][: len(calls)]
    same = made(SAME)
    upto, told, _ = run(same, {"toy": order})
    assert upto == {"toy": 60} and len(told) == 4 and "no problems are left" in told[-1]


def test_beside_adapters_a_gap_ends_nothing_and_no_gap_does(attempts, order):
    """To show that a gap is closed takes more problems than to show that it is there."""
    alone = watched(attempts, order)
    beside = watch(attempts, order, RULE, aggregator="coverage", **SIZES, adapted=True)
    assert alone.asked < 60 and (beside.asked, beside.decision.used) == (60, 60)
    assert beside.decision.answer == "gap" and beside.decision.stop and not beside.early
    some = [a for a in attempts if a.problem in order[: alone.asked]]
    open_ = watch(some, order, RULE, aggregator="coverage", **SIZES, adapted=True)
    assert open_.decision.answer == "gap" and not open_.decision.stop
    assert open_.asked == alone.asked + 15 and "goes on" in open_.decision.sentence
    worse = made({("base", "parallel"): 0.95, ("base", "sequential"): 0.0})
    ends = watch(worse, order, RULE, aggregator="coverage", **SIZES, adapted=True)
    assert ends.decision.answer in ("reversed", "within margin")
    assert ends.decision.stop and ends.asked < 60


def test_a_decided_family_asks_for_no_more_while_another_goes_on(attempts, order):
    other = [replace(a, family="b", problem="b" + a.problem) for a in made(SAME)]
    orders = {"toy": order, "b": monitoring_order({a.problem for a in other}, 0)}
    upto, _, calls = run([*attempts, *other], orders)
    assert upto["toy"] < upto["b"] == 60
    assert calls[-1] == {"toy": upto["toy"], "b": 60}


def summary(attempts, order, **options):
    given = watch_all(attempts, {"toy": order}, CONFIG, **SIZES)
    return summarize(attempts, CONFIG, watched=given, created="now", **options)


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


def test_verdicts_after_an_early_stop_hold_at_every_look(order):
    arms = {**GAP, ("new", "parallel"): 0.0, ("new", "sequential"): 0.95}
    both = made(arms)
    size = watched([a for a in both if a.system == "base"], order).asked
    some = [a for a in both if a.problem in order[:size]]
    infos = {"base": SystemInfo("base"), "new": SystemInfo("new", "base", "new")}
    stopped = summary(some, order, systems=infos)["families"]["toy"]
    plain = summarize(some, CONFIG, infos)["families"]["toy"]
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
