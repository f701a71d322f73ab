"""What can be concluded and what cannot, of files that others made and of runs alike."""

import numpy as np
import pytest
from msgspec import structs
from simulated import simulate
from test_terminal import printed

from analysis.config import AnalysisConfig, RunInfo
from analysis.foreign.rows import Row, Tokens, to_attempts
from analysis.summary import summarize

CONFIG = AnalysisConfig(resamples=100)


def study(problems=40, steps=2, replicates=2, systems=("base",), arms=("parallel", "sequential")):
    rng = np.random.default_rng(0)
    return [
        Row(
            f"p{i}",
            bool(rng.random() < 0.5),
            answer="x",
            canonical="x",
            arm=arm,
            system=system,
            replicate=r,
            step=s,
            tokens=Tokens(5.0, generated=9.0),
        )
        for system in systems
        for arm in arms
        for i in range(problems)
        for r in range(replicates)
        for s in range(1, steps + 1)
    ]


def change(rows, **values):
    from dataclasses import replace

    return [replace(row, **values) for row in rows]


def diagnose(attempts, steps=None):
    (family,) = summarize(attempts, CONFIG, run=RunInfo(steps=steps))["families"].values()
    return family["diagnosis"]


def cannot(rows):
    return " | ".join(diagnose(to_attempts(rows))["cannot"])


def test_a_whole_study_can_say_everything():
    found = diagnose(to_attempts(study(systems=("base", "diverse-s0"))))
    assert found == {
        "found": ["every arm: 40 problems, 4 attempts each, 100 % graded"],
        "can": [
            "the gap of base and diverse-s0, each on 40 shared problems",
            "base against diverse-s0, on 40 shared problems",
        ],
        "cannot": [],
    }


def test_a_missing_arm():
    said = "no gap of base: it has no sequential arm; arms seen: parallel"
    assert said in cannot(study(arms=("parallel",)))
    assert "no gap of base: it has no parallel arm" in cannot(study(arms=("sequential",)))
    other = cannot(study(arms=("par", "seq")))
    assert "no parallel arm; arms seen: par, seq; in the column of the arm, call the two" in other


def test_ungraded_failed_and_truncated_attempts():
    rows = study()
    ungraded = [*change(rows[:80], correct=None), *rows[80:]]
    assert "base/parallel" in cannot(ungraded)
    assert "fewer than N = 2 graded attempts" in cannot(ungraded)
    none = cannot(change(rows, correct=None))
    assert (
        "no attempt is graded, so no accuracy" in none
        and "its arms share no problem with N graded" in none
    )
    failed = [*change(rows[:16], finish="error"), *rows[16:]]
    assert "base/parallel: 10 % of attempts failed" in cannot(failed)


def test_unequal_replicates_are_counted():
    rows = [r for r in study() if r.arm == "sequential" or r.replicate == 0 or r.problem < "p2"]
    found = diagnose(to_attempts(rows))
    assert found["found"][0] == "base/parallel: 40 problems, 2 to 4 attempts each, 100 % graded"
    assert "fewer than 2 N = 4 graded attempts" in " ".join(found["cannot"])
    rows = [r for r in study() if r.arm == "parallel" or r.replicate == 0 or r.problem < "p2"]
    assert "base/sequential: 1 to 2 whole chains per problem" in cannot(rows)


def test_one_problem_and_few_problems():
    one = cannot(study(problems=1))
    assert "one problem says nothing about problems like it" in one
    assert "12 problems: intervals will be wide" in cannot(study(problems=12))


@pytest.mark.parametrize(("grade", "words"), [(True, "at the ceiling"), (False, "every graded")])
def test_all_right_and_all_wrong(grade, words):
    said = cannot(change(study(), correct=grade))
    assert words in said and "no gap can show of base" in said
    rows = study()
    half = [*change(rows[:160], correct=grade), *rows[160:]]
    assert "no gap" not in cannot(half) and "base/parallel: every graded attempt is" in cannot(half)


def test_a_run_whose_attempts_all_failed_says_so_in_figures_that_one_can_read():
    failed = [
        structs.replace(a, finish="error") for a in to_attempts(change(study(), correct=False))
    ]
    assert "100 % of attempts failed" in " | ".join(diagnose(failed)["cannot"])


def test_an_adapter_that_solves_everything_has_a_gap_that_closed():
    rows = study(systems=("base", "diverse-s0"))
    done = [*rows[: len(rows) // 2], *change(rows[len(rows) // 2 :], correct=True)]
    found = diagnose(to_attempts(done))
    assert "base against diverse-s0, on 40 shared problems" in found["can"]
    assert not [said for said in found["cannot"] if "no gap" in said]


def test_columns_that_hold_nothing():
    said = cannot(change(study(), tokens=Tokens(), answer=None, canonical=None))
    assert "no token counts: no comparison at equal compute" in said
    assert "no answers: no majority vote" in said


def test_one_chain_per_problem_and_broken_chains():
    assert "one chain per problem" in cannot(study(replicates=1))
    rows = [r for r in study() if not (r.arm == "sequential" and r.problem == "p7" and r.step == 2)]
    assert "1 problem without a whole chain of N = 2" in cannot(rows)


def gap_problems(attempts):
    """How many problems the gap stands on, in the summary, and as the diagnosis tells it."""
    family = summarize(attempts, CONFIG)["families"]["data"]
    return family["systems"]["base"]["gaps"]["majority"]["n"], *family["diagnosis"]["can"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.arm == "sequential" and r.step == 2 and int(r.problem[1:]) < 10,
        lambda r: r.arm == "parallel" and r.replicate + r.step > 1 and int(r.problem[1:]) < 10,
        lambda r: r.arm == "sequential" and (r.step + r.replicate) % 2 and int(r.problem[1:]) < 10,
    ],
)
def test_the_diagnosis_counts_the_problems_that_the_gap_of_the_summary_has(spoil):
    rows = [row for r in study() for row in (change([r], correct=None) if spoil(r) else [r])]
    assert gap_problems(to_attempts(rows)) == (30, "the gap of base, on 30 shared problems")


def test_chains_shorter_than_n_leave_no_gap():
    rows = [r for r in study(steps=3) if not (r.arm == "sequential" and r.step == 3)]
    assert gap_problems(to_attempts(rows)) == (0,)
    assert "no gap of base at N = 3: its arms share no problem with N graded" in cannot(rows)


def test_one_of_a_thing_is_told_as_one():
    found = diagnose(to_attempts(study(problems=1, steps=1, replicates=1)))
    assert found["found"][0].startswith("base/parallel and base/sequential: 1 problem, 1 attempt")
    assert found["can"] in ([], ["the gap of base, on 1 shared problem"])


def test_two_runs_with_different_problem_sets():
    other = [
        row for r in study(systems=("diverse-s0",)) for row in change([r], problem="q" + r.problem)
    ]
    said = cannot([*study(), *other])
    assert "base against diverse-s0: their problem sets do not overlap" in said
    half = [row for r in study() if r.arm == "parallel" for row in [r]]
    moved = [r for r in change(study(), problem="z") if r.arm == "sequential"][:4]
    assert "no gap of base at N = 2: its arms share no problem with" in cannot([*half, *moved])


def test_what_holds_of_many_is_said_once_and_the_terminal_says_it_all():
    systems = ("base", "diverse-s0", "diverse-s1")
    summary = summarize(to_attempts(study(replicates=1, systems=systems)), CONFIG)
    found = summary["families"]["data"]["diagnosis"]
    assert found["can"] == [
        "the gap of base, diverse-s0 and diverse-s1, each on 40 shared problems",
        "base, diverse-s0 and diverse-s1 against each other, on 40 shared problems",
    ]
    chains = "base/sequential, diverse-s0/sequential and diverse-s1/sequential: one chain per"
    assert sum("one chain per" in said for said in found["cannot"]) == 1
    assert any(said.startswith(chains) for said in found["cannot"])
    more = summarize(to_attempts(study(replicates=1, systems=(*systems, "more"))), CONFIG)
    said = " | ".join(more["families"]["data"]["diagnosis"]["cannot"])
    assert "every arm but parallel: one chain" in said and "every parallel arm: 40 pro" in said
    text = " ".join(printed(summary, 100).split())
    for sentence in (s for part in found.values() for s in part):
        assert sentence in text
    assert text.index("Records") < text.index("Can be") < text.index("Cannot be")


ARMS = {("base", "parallel"): 0.0, ("base", "sequential"): 0.8}


def test_a_run_that_is_still_being_written_has_the_same_sentences():
    """The chain is sampled last: at first it is not there, then it is short, then it is whole."""
    made = sorted(simulate(ARMS, problems=40, steps=4), key=lambda a: (a.arm, a.step))
    one = len(made) // 2
    begun = diagnose(made[:one], steps=4)
    assert begun["can"] == []
    assert begun["cannot"] == ["no gap of base: it has no sequential arm; arms seen: parallel"]
    short = " | ".join(diagnose(made[: -one // 4], steps=4)["cannot"])
    assert "no gap of base at N = 4: its arms share no problem with N graded" in short
    assert "base/sequential: 40 problems without a whole chain of N = 4 graded" in short
    whole = diagnose(made, steps=4)
    assert whole["cannot"] == [] and whole["can"] == ["the gap of base, on 40 shared problems"]


def test_a_run_is_told_to_sample_more_and_a_file_to_deal_otherwise():
    run = diagnose(list(simulate(ARMS, problems=40, replicates=1, steps=4)))
    assert "more replicates have one" in " | ".join(run["cannot"])
    assert "a smaller --attempts has one" in cannot(study(replicates=1))


def test_a_family_without_any_attempt_is_named():
    asked = RunInfo(asked={"toy": 640, "late": 8})
    found = summarize(simulate(ARMS, problems=40, steps=4), CONFIG, run=asked)
    assert "late: no attempt is made yet, so nothing can be said of it" in found["warnings"]
