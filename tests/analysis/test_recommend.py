from itertools import combinations

import numpy as np
import pytest
from rich.console import Console
from simulated import attempt, simulate

from analysis.candidates import Candidate, Valued, value_candidates
from analysis.recommend import RecommendConfig, recommend, run_recommend
from analysis.recommend_shown import show_recommend
from analysis.table import build_table
from analysis.votes import chain_votes
from sample.errors import UsageError
from sample.records import Ledger

ARMS = {("base", "parallel"): 0.0, ("base", "sequential"): 0.9}


@pytest.fixture(scope="module")
def table():
    return build_table(simulate(ARMS, problems=25, replicates=3, steps=4))


def valued(table, arms=("parallel", "sequential"), cost="generated"):
    return value_candidates(table.cells, "toy", arms, ("majority", "last", "coverage"), cost)


def column(found, **wanted):
    for i, candidate in enumerate(found.candidates):
        if all(getattr(candidate, key) == value for key, value in wanted.items()):
            return found.value[:, i], found.cost[:, i]
    raise AssertionError(wanted)


def test_every_width_and_depth_of_the_run_is_a_candidate(table):
    found = valued(table)
    chains = {(c.width, c.depth) for c in found.candidates if c.arm == "sequential"}
    assert chains == {(w, d) for w in (1, 2, 3) for d in (2, 3, 4)}
    pool = {c.width for c in found.candidates if c.arm == "parallel"}
    assert pool == {1, 2, 3, 4, 6, 8, 12}
    assert len(set(found.candidates)) == len(found.candidates)
    assert found.value.shape == found.cost.shape == (25, len(found.candidates))


@pytest.mark.parametrize("width", [1, 2, 3])
def test_chains_are_valued_over_all_their_subsets(table, width):
    cell = table.cells["toy", "base", "sequential"]
    found = valued(table, ("sequential",))
    sets = list(combinations(range(3), width))
    hits = [cell.correct[:, list(s), :3].max(axis=(1, 2)) for s in sets]
    got = column(found, width=width, depth=3, aggregator="coverage")[0]
    assert got == pytest.approx(np.mean(hits, axis=0))
    votes = [
        chain_votes(cell.answer[:, list(s), 2], cell.correct[:, list(s), 2])[:, -1] for s in sets
    ]
    got = column(found, width=width, depth=3, aggregator="last")[0]
    assert got == pytest.approx(np.mean(votes, axis=0))
    votes = [
        chain_votes(
            cell.answer[:, list(s), :3].reshape(25, -1),
            cell.correct[:, list(s), :3].reshape(25, -1),
        )[:, -1]
        for s in sets
    ]
    got = column(found, width=width, depth=3, aggregator="majority")[0]
    assert got == pytest.approx(np.mean(votes, axis=0))


def test_costs_add_up_and_latency_does_not(table):
    for arm, width, depth in (("parallel", 6, 1), ("sequential", 2, 3)):
        wanted = {"arm": arm, "width": width, "depth": depth}
        assert column(valued(table), **wanted)[1] == pytest.approx(np.full(25, 30.0))
        latency = column(valued(table, cost="latency"), **wanted)[1]
        assert latency == pytest.approx(np.full(25, 5.0 * depth))


def test_a_problem_without_all_chains_is_not_known_at_their_width():
    records = [
        r
        for r in simulate(ARMS, problems=12, replicates=2, steps=2)
        if (r.problem, r.arm, r.replicate) != ("p0003", "sequential", 1)
    ]
    value = column(valued(build_table(records)), width=2, depth=2, aggregator="coverage")[0]
    assert np.flatnonzero(np.isnan(value)).tolist() == [3]


def test_labels_say_what_to_run():
    assert Candidate("base", "parallel", 1, 1, "majority").label == "1 attempt, base"
    assert Candidate("m", "parallel", 4, 1, "majority").label == "4 parallel, m, majority"
    chains = Candidate("m", "sequential", 2, 4, "last").label
    assert chains == "2 chains of 4 (sequential), m, last"


def equals(rng, problems=60, candidates=40):
    """Candidates that are all equally good, at equal cost."""
    value = (rng.random((problems, candidates)) < 0.5).astype(float)
    names = [Candidate(f"m{i}", "parallel", 2, 1, "majority") for i in range(candidates)]
    return Valued(tuple(names), value, np.full(value.shape, 10.0))


def test_the_winner_of_many_equals_is_flattered_on_its_own_problems_only():
    rng = np.random.default_rng(0)
    config = RecommendConfig(budget=10)
    apparent, held, covered = [], [], 0
    for _ in range(80):
        choice = recommend(equals(rng), "toy", config).frontier[-1]
        apparent.append(choice.apparent)
        held.append(choice.held_out.estimate)
        covered += choice.held_out.low <= 0.5 <= choice.held_out.high
    assert np.mean(apparent) > 0.6
    assert np.mean(held) == pytest.approx(0.5, abs=0.02)
    assert covered >= 72


def test_a_clear_winner_is_found_and_its_gain_shown():
    rng = np.random.default_rng(1)
    base = equals(rng, 200, 3)
    better = np.clip(base.value[:, :1] + (rng.random((200, 1)) < 0.4), 0, 1)
    names = [
        Candidate("base", "parallel", 2, 1, "majority"),
        *base.candidates[1:],
        Candidate("diverse-s0", "sequential", 1, 2, "last"),
    ]
    cost = np.full((200, 4), 10.0)
    found = recommend(
        Valued(tuple(names), np.hstack([base.value, better]), cost), "toy", RecommendConfig()
    )
    choice = found.frontier[-1]
    assert choice.candidate.system == "diverse-s0" and choice.agreement == 1
    assert choice.gain is not None and choice.gain.low > 0
    assert choice.baseline == names[0]
    assert "diverse-s0" in found.advice and "not shown" not in found.advice
    assert found.advice.endswith("against 2 parallel, base, majority.")


def test_no_choice_costs_more_than_the_budget():
    records = list(simulate(ARMS, problems=40, replicates=2, steps=4))
    (found,) = run_recommend(records, RecommendConfig(budget=17, verifier=True))
    assert all(choice.cost <= choice.budget <= 17 for choice in found.frontier)
    assert found.frontier[-1].candidate.aggregator == "coverage"
    assert found.problems == 40 and found.frontier[0].candidate.width == 1
    with pytest.raises(UsageError, match="the cheapest candidate costs 5"):
        run_recommend(records, RecommendConfig(budget=3))


def test_without_a_verifier_coverage_cannot_be_recommended():
    (found,) = run_recommend(simulate(ARMS, problems=30), RecommendConfig())
    assert all(choice.candidate.aggregator != "coverage" for choice in found.frontier)
    assert [c.budget for c in found.frontier] == sorted(c.budget for c in found.frontier)


def test_runs_over_different_problems_have_nothing_to_compare():
    other = [
        attempt(f"other{r.problem}", r.arm, "tuned", r.replicate, r.step, r.canonical, r.correct)
        for r in simulate(ARMS, problems=20)
    ]
    with pytest.raises(UsageError, match="0 problems have every candidate"):
        run_recommend([*simulate(ARMS, problems=20), *other], RecommendConfig())


def test_unknown_costs_are_refused_and_few_gaps_are_left_out():
    ledger = Ledger(10, None, float("nan"), float("nan"), 0.0)  # type: ignore[arg-type]
    blind = [attempt(f"p{i}", ledger=ledger) for i in range(20)]
    with pytest.raises(UsageError, match="token counts"):
        run_recommend(blind, RecommendConfig())
    records = list(simulate(ARMS, problems=20))
    (found,) = run_recommend(records[1:], RecommendConfig())
    assert found.problems == 19 and "1 problem without all attempts" in found.warnings[0]


def test_attempts_of_several_runs_that_hide_each_other_are_told():
    records = list(simulate(ARMS, problems=20))
    (found,) = run_recommend([*records, *records[:3]], RecommendConfig())
    assert "3 attempts are in several of the runs" in found.warnings[0]


@pytest.mark.parametrize("bad", [{"cost": "euros"}, {"budget": 0}])
def test_bad_settings_are_refused_in_one_line(bad):
    with pytest.raises(UsageError, match=f"recommend: --{next(iter(bad))}: expected"):
        RecommendConfig(**bad)


def test_the_printed_frontier_holds_the_advice():
    found = run_recommend(simulate(ARMS, problems=30), RecommendConfig())
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        show_recommend(found, console)
    text = " ".join(capture.get().split())
    assert found[0].advice in text and "held out" in text


def outshone(problems=60):
    """A baseline that is plainly better than everything else."""
    names = [
        Candidate("base", "parallel", 2, 1, "majority"),
        *(Candidate(f"m{i}", "sequential", 1, 2, "last") for i in range(8)),
    ]
    rng = np.random.default_rng(5)
    value = (rng.random((problems, 9)) < 0.5).astype(float)
    value[:, 0] = (rng.random(problems) < 0.85).astype(float)
    return Valued(tuple(names), value, np.full(value.shape, 10.0))


def test_the_baseline_is_advised_where_choosing_gains_nothing():
    drawn = equals(np.random.default_rng(0))
    names = (Candidate("base", "parallel", 2, 1, "majority"), *drawn.candidates[1:])
    drawn.value[:, 0] = np.arange(60) % 10 < 6
    found = recommend(Valued(names, drawn.value, drawn.cost), "toy", RecommendConfig())
    choice = found.frontier[-1]
    assert choice.candidate != choice.baseline and choice.gain is not None
    assert choice.gain.estimate <= 0 and choice.advised == choice.baseline == names[0]
    assert "run 2 parallel, base, majority, the baseline: 60.0 %" in found.advice
    assert f"{100 * choice.gain.estimate:+.1f} points" in found.advice
    console = Console(width=120, force_terminal=False)
    with console.capture() as capture:
        show_recommend([found], console)
    row = next(line for line in capture.get().splitlines() if line.startswith("2 parallel, base"))
    assert "60.0 [" in row and "baseline" in row


def test_where_the_baseline_looks_best_no_gain_is_spoken_of():
    found = recommend(outshone(), "toy", RecommendConfig())
    assert found.frontier[-1].candidate.system == "base"
    assert "no other way to spend them looks better" in found.advice
    assert "points" not in found.advice


def test_advice_is_the_last_row_and_bounds_stay_within_0_and_100():
    """One way at two budgets: the numbers must be those of the budget asked for."""
    names = (
        Candidate("base", "parallel", 1, 1, "majority"),
        Candidate("base", "parallel", 2, 1, "majority"),
        Candidate("m", "sequential", 1, 2, "last"),
    )
    rng = np.random.default_rng(0)
    value = np.column_stack([rng.random(40) < 0.3, rng.random(40) < 0.9, np.arange(40) > 0]).astype(
        float
    )
    cost = np.tile([1.0, 7.0, 2.0], (40, 1))
    found = recommend(Valued(names, value, cost), "toy", RecommendConfig(budget=8))
    last = found.frontier[-1]
    assert last.budget == 8 and last.candidate == names[2]
    assert last.baseline == names[1] and names[1].label in found.advice
    assert [c.advised for c in found.frontier] == list(
        dict.fromkeys(c.advised for c in found.frontier)
    )
    for choice in found.frontier:
        assert choice.held_out.low >= 0 and choice.held_out.high <= 1
