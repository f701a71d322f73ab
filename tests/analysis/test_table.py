import numpy as np
import pytest
from msgspec.structs import replace
from simulated import attempt

from analysis.cells import costs
from analysis.config import AnalysisConfig
from analysis.summary import summarize
from analysis.table import build_table
from sample.errors import UsageError
from sample.records import Failure, Ledger

KEY = ("toy", "base", "parallel")


def test_each_attempt_lands_at_its_problem_replicate_and_step():
    records = [
        attempt("b", replicate=1, step=2, canonical="7", correct=True),
        attempt("a", step=1, canonical="7", correct=False),
        attempt("b", step=1, canonical="5", correct=False),
    ]
    table = build_table(records)
    cell = table.cells[KEY]
    assert table.problems["toy"] == ("a", "b")
    assert cell.correct.shape == (2, 2, 2)
    assert cell.correct[1, 1, 1] == 1
    assert cell.correct[0, 0, 0] == cell.correct[1, 0, 0] == 0
    assert cell.present.sum() == 3
    assert cell.answer[1, 1, 1] != cell.answer[1, 0, 0]
    assert cell.tokens["prompt"][1, 1, 1] == 20


def test_answer_codes_are_shared_between_the_arms_of_a_problem():
    records = [attempt(canonical="7"), attempt(arm="sequential", canonical="7")]
    cells = build_table(records).cells
    assert cells[KEY].answer[0, 0, 0] == cells[("toy", "base", "sequential")].answer[0, 0, 0]


@pytest.mark.parametrize("arm", ["parallel", "sequential"])
@pytest.mark.parametrize("finish", ["length", "error"])
def test_failed_and_truncated_attempts_are_wrong_without_an_answer_in_every_arm(arm, finish):
    failure = Failure("Timeout", "60 s") if finish == "error" else None
    correct = None if finish == "error" else True
    record = attempt(arm=arm, finish=finish, correct=correct, failure=failure)
    cell = build_table([record]).cells[("toy", "base", arm)]
    assert cell.correct[0, 0, 0] == 0
    assert cell.answer[0, 0, 0] == -1
    assert costs(cell).finish[finish] == 1
    assert costs(cell).ungraded == 0


def test_the_grade_of_a_truncated_trace_counts_where_traces_are_graded():
    records = [attempt(step=1 + right, finish="length", correct=bool(right)) for right in (0, 1)]
    cell = build_table([replace(record, graded="trace") for record in records]).cells[KEY]
    assert cell.correct[0, 0].tolist() == [0, 1] and (cell.answer[0, 0] >= 0).all()
    assert costs(cell).finish["length"] == 1


def test_what_was_graded_is_told_and_a_mixture_warned_of():
    traces = [replace(attempt(step=k), graded="trace", finish="length") for k in (1, 2)]
    found = summarize(traces, AnalysisConfig(resamples=200))
    assert found["settings"]["graded"] == {"toy": "trace"}
    assert any("cut off, judged by their traces" in said for said in found["warnings"])
    mixed = summarize([*traces, attempt("b"), attempt("b", step=2)], AnalysisConfig(resamples=200))
    assert mixed["settings"]["graded"] == {"toy": "answer and trace"}
    assert any("not comparable" in said for said in mixed["warnings"])


def test_not_graded_is_never_wrong():
    cell = build_table([attempt(correct=None), attempt(step=2, correct=False)]).cells[KEY]
    assert np.isnan(cell.correct[0, 0, 0])
    assert cell.answer[0, 0, 0] >= 0
    assert costs(cell).ungraded == 0.5


def test_skipped_attempts_are_left_out_and_counted_apart():
    failure = Failure("not_applicable", "no wrong answer to show")
    skipped = {"finish": "skipped", "correct": None, "failure": failure}
    cell = build_table([attempt("a"), attempt("b", **skipped)]).cells[KEY]
    assert np.isnan(cell.correct[1, 0, 0]) and not cell.present[1, 0, 0]
    cost = costs(cell)
    assert (cost.attempts, cost.missing, cost.skipped, cost.ungraded) == (1, 0, 1, 0)
    assert cost.finish == {"stop": 1, "length": 0, "error": 0, "budget": 0}
    table = build_table([attempt("b", **skipped)])
    assert costs(table.cells[KEY]).attempts == table.duplicates == 0


def test_missing_attempts_are_counted_only_on_problems_that_were_started():
    records = [attempt("a"), attempt("a", step=2), attempt("b"), attempt("c", arm="sequential")]
    assert costs(build_table(records).cells[KEY]).missing == 1


def test_unknown_cached_tokens_stay_unknown():
    ledger = Ledger(prompt=8, cached=6, thinking=1, answer=1, seconds=0.0)
    cell = build_table([attempt(), attempt(step=2, ledger=ledger)]).cells[KEY]
    assert costs(cell).tokens["cached"] == 6
    assert np.isnan(costs(build_table([attempt()]).cells[KEY]).tokens["cached"])
    assert costs(cell).tokens["generated"] == 3.5
    assert costs(cell).tokens["total"] == 9 + 3.5


def test_duplicates_and_steps_beyond_n_are_counted():
    records = [attempt(), attempt(correct=False), attempt(step=2), attempt(step=3)]
    table = build_table(records, steps=2)
    assert (table.duplicates, table.beyond, table.records, table.steps) == (1, 1, 4, 2)
    assert table.cells[KEY].correct[0, 0, 0] == 0


def test_order_of_the_records_does_not_matter():
    records = [attempt(f"p{i}", step=s, canonical=str(s)) for i in range(5) for s in (1, 2)]
    forward, backward = build_table(records), build_table(records[::-1])
    assert forward.problems == backward.problems
    np.testing.assert_array_equal(forward.cells[KEY].correct, backward.cells[KEY].correct)


def test_no_records_and_unknown_finish_are_usage_errors():
    with pytest.raises(UsageError, match="forage sample"):
        build_table([])
    with pytest.raises(UsageError, match="'stopped'"):
        build_table([attempt(finish="stopped")])
