"""Chains that end where a budget of tokens does: what is estimated of them, and what is not."""

import asyncio
import math
from functools import cache
from random import Random

import numpy as np
import pytest
from simulated import attempt

from analysis.cells import chain_statistics, costs, parallel_statistics
from analysis.chains import last_curve, share_curve
from analysis.config import AnalysisConfig, RunInfo
from analysis.summary import summarize
from analysis.table import build_table
from analysis.terminal import render
from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.engines.scripted import load_scripted
from sample.families import load_problems
from sample.models import ScriptedModel
from sample.records import Ledger
from sample.scheduler import Plan, run_system

NOTHING = Ledger(0, 0, 0, 0, 0.0)


def chain(*answers, problem="p0", replicate=0, arm="sequential"):
    """Attempts by their answers, "0" being right; "cut" and "unmade" are what they say."""
    place = {"problem": problem, "replicate": replicate, "arm": arm}
    for step, answer in enumerate(answers, 1):
        if answer == "unmade":
            unmade = {"finish": "unmade", "correct": None, "canonical": None, "ledger": NOTHING}
            yield attempt(step=step, **place, **unmade)
        elif answer == "cut":
            yield attempt(step=step, **place, finish="budget", correct=True, canonical="0")
        else:
            yield attempt(step=step, canonical=answer, correct=answer == "0", **place)


def cell_of(*chains, arm="sequential"):
    return build_table([a for c in chains for a in c]).cells["toy", "base", arm]


def test_levels_are_over_the_attempts_that_ended():
    found = chain_statistics(cell_of(chain("1", "0", "2", "cut", "unmade"))).levels
    values = {name: found[name].values[0] for name in ("coverage", "last", "accuracy", "distinct")}
    assert values == {"coverage": 1, "last": 0, "accuracy": pytest.approx(1 / 3), "distinct": 3}
    assert found["majority"].values[0] == pytest.approx(1 / 3)
    assert found["repeat_rate"].values[0] == 0 and found["valid"].values[0] == 1


def test_a_chain_in_which_nothing_ended_is_wrong_and_not_left_out():
    cell = cell_of(chain("cut", "unmade"), chain("0", "cut", problem="p1"))
    found = chain_statistics(cell).levels
    for name in ("coverage", "last", "accuracy", "majority"):
        assert found[name].values.tolist() == [0, 1]
    assert costs(cell).empty == 0.5


def test_an_attempt_that_is_not_graded_is_still_not_known():
    cell = cell_of([*chain("1", "cut"), attempt(problem="p1", arm="sequential", correct=None),
                    attempt(problem="p1", arm="sequential", step=2, finish="budget")])  # fmt: skip
    found = chain_statistics(cell).levels
    for name in ("coverage", "last", "accuracy", "majority"):
        assert found[name].values[0] == 0 and np.isnan(found[name].values[1])


def test_a_number_of_attempts_that_not_every_chain_has_is_not_spoken_of():
    chains = (chain("0", "1", "2", "cut"), chain("1", "2", "cut", "unmade", problem="p1"))
    cell = cell_of(*chains)
    for values in chain_statistics(cell).curves.values():
        assert np.isnan(values[:, 2:]).all() and not np.isnan(values[:, :2]).any()
    found = chain_statistics(cell).levels
    assert np.isnan(found["coverage_per_doubling"].values).all()


def test_costs_are_of_what_was_made():
    found = costs(cell_of(chain("0", "cut", "unmade"), chain("0", "1", "2", problem="p1")))
    assert (found.attempts, found.unmade, found.missing, found.chains) == (5, 1, 0, 2)
    assert found.finish["budget"] == 0.2 and found.ungraded == 0
    assert found.per_chain == {"attempts": 2.5, "generated": pytest.approx(12.5)}
    assert found.tokens["prompt"] == pytest.approx((10 + 20 + 10 + 20 + 30) / 5)


def test_parallel_groups_of_different_sizes_are_no_pool():
    groups = [chain("0", "cut", "unmade", arm="parallel"),
              chain("1", "2", "3", arm="parallel", replicate=1)]  # fmt: skip
    found = parallel_statistics(cell_of(*groups, arm="parallel"))
    assert found.levels["coverage"].values[0] == 0.5 and found.pool is None
    assert "last" not in found.levels


def test_curves_go_on_as_they_were_where_attempts_are_short():
    correct = np.array([[1.0, 0.0, np.nan, np.nan], [0.0, np.nan, 1.0, np.nan]])
    short = np.array([[False, False, True, True], [False, True, False, False]])
    assert last_curve(correct, short)[0].tolist() == [1, 0, 0, 0]
    np.testing.assert_equal(last_curve(correct, short)[1], [0, 0, 1, np.nan])
    np.testing.assert_equal(share_curve(correct, short)[0], [1, 0.5, 0.5, 0.5])
    np.testing.assert_equal(share_curve(correct, short)[1], [0, 0, 0.5, np.nan])


# --- against the truth, where long attempts are wrong ones

BUDGET, CAP, LONGEST = 90, 10, 60
LAW = ScriptedModel(
    accuracy=0.25, reuse=0.6, thinking_tokens=8, wrong_length=3, wrong_answers=5, wrong_skew=0
)
AGGREGATORS = ("coverage", "majority", "last", "accuracy")


def brute_force(arm, rng):
    """Coverage, majority, last and accuracy of one chain, by the words of the law alone."""
    left, ended, shown = BUDGET, [], []
    for _ in range(CAP):
        if left == 0:
            break
        if arm == "sequential" and shown and rng.random() < LAW.reuse:
            answer = rng.choice(shown)
        else:
            right = rng.random() < LAW.accuracy
            answer = 0 if right else 1 + rng.randrange(LAW.wrong_answers)
        mean = LAW.thinking_tokens * (LAW.wrong_length if answer else 1)
        tokens = 2 + math.floor(math.log(1 - rng.random()) / math.log(1 - 1 / mean))
        if tokens > min(LONGEST, left):
            if left < LONGEST:
                break
            left -= LONGEST
            ended.append(None)
            continue
        left -= tokens
        ended.append(answer)
        shown.append(answer)
    votes = [ended.count(answer) for answer in range(1 + LAW.wrong_answers)]
    most = max(votes)
    majority = (votes[0] == most > 0) / max(1, votes.count(most))
    accuracy = votes[0] / len(ended) if ended else 0.0
    return votes[0] > 0, majority, ended[-1:] == [0], accuracy


@cache
def truth(arm, chains=10_000):
    """Means of ``brute_force`` by aggregator; standard errors at most 0.005."""
    rng = Random(arm)
    means = np.mean([brute_force(arm, rng) for _ in range(chains)], axis=0)
    return dict(zip(AGGREGATORS, means.tolist(), strict=True))


@pytest.fixture(scope="module")
def summary():
    problems = load_problems("sums", ProblemConfig("chain_sum", count=60))
    groups = tuple((problem, r) for problem in problems for r in range(8))
    arms = {name: ArmConfig(name) for name in ("parallel", "sequential")}
    decoding = Decoding(max_new_tokens=LONGEST)
    plan = Plan("base", arms, groups, CAP, decoding, seed=3, config="abc", budget=BUDGET)
    engine, made = load_scripted(LAW, None, {p.id: p for p in problems}), []
    asyncio.run(run_system(engine, plan, (), made.append, 64))
    config = AnalysisConfig(resamples=200, primary={"sums": "coverage"})
    return summarize(made, config, run=RunInfo(steps=CAP, budget=BUDGET))


def test_the_gap_at_a_budget_is_the_true_one(summary):
    """Each level and gap within four standard errors, those of the truth included."""
    true = {arm: truth(arm) for arm in ("parallel", "sequential")}
    found = summary["families"]["sums"]["systems"]["base"]
    for name in AGGREGATORS:
        for arm in true:
            if (arm, name) != ("parallel", "last"):
                assert _off(found["arms"][arm][name], true[arm][name]) < 4, (arm, name)
        faced = true["parallel"]["majority" if name == "last" else name]
        assert _off(found["gaps"][name], faced - true["sequential"][name]) < 4, name
    assert true["parallel"]["coverage"] - true["sequential"]["coverage"] > 0.1


def _off(found, true):
    """Standard errors between an estimate and the truth."""
    error = math.hypot((found["high"] - found["low"]) / 3.97, 0.007)
    return abs(found["estimate"] - true) / error


def test_a_pool_of_all_attempts_would_be_off(summary):
    """The chance of a correct one among as many draws as a group has, from the share of correct
    ones among all attempts, is not that of a group: long attempts, which are wrong, crowd it."""
    arm = summary["families"]["sums"]["systems"]["base"]["arms"]["parallel"]
    made = arm["per_chain"]["attempts"] * (1 - arm["finish"]["budget"])
    naive = 1 - (1 - LAW.accuracy) ** made
    assert abs(naive - truth("parallel")["coverage"]) > 0.02


def test_both_arms_spend_the_budget_and_are_compared_there(summary):
    family = summary["families"]["sums"]
    for arm in family["systems"]["base"]["arms"].values():
        assert 0.95 * BUDGET < arm["per_chain"]["generated"] <= BUDGET
    compared = family["equal_compute"]["base"]
    assert compared["gaps"]["generated"]["n"] == 60 and compared["ratios"] == []
    assert max(spent["generated"] for spent in compared["tokens"].values()) <= BUDGET
    assert summary["settings"]["budget"] == BUDGET


def test_the_terminal_shows_attempts_and_tokens_of_a_chain(summary):
    titles = [str(getattr(part, "title", "")) for part in render(summary)]
    assert "Within the budget of 90 tokens, per chain" in titles
