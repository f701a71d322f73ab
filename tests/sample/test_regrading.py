"""Texts that no grader could judge, graded again from the records."""

from dataclasses import replace

import pytest
from doubles import attempt

from sample import grading
from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.families import load_problems
from sample.graders.base import GradingError
from sample.problems import Problem
from sample.records import TRACE, Failure
from sample.regrading import regrade, ungraded
from sample.runfolder import RunFolder
from sample.scheduler import Plan
from sample.store import read_attempts, to_line

SUM, OTHER = load_problems("sums", ProblemConfig("chain_sum", count=2))
PROBLEMS = {problem.id: problem for problem in (SUM, OTHER)}
PLAN = Plan("base", {"parallel": ArmConfig("parallel")}, ((SUM, 0),), 4, Decoding(), 5, "abc")
FAILED = {
    "answer": None,
    "canonical": None,
    "correct": None,
    "failure": Failure("GradingError", "?"),
}


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def made(step, problem=SUM, **changes):
    return attempt(problem=problem.id, arm="parallel", step=step, **changes)


def write(folder, records):
    folder.attempts.write_bytes(b"".join(map(to_line, records)))


def test_what_could_not_be_judged_is_judged_and_nothing_else_changes(folder, capsys):
    gold = SUM.answer
    records = [
        made(1, text=gold, **FAILED),
        made(2, text="no number", **FAILED),
        made(3, finish="error", text="", **FAILED | {"failure": Failure("timeout", "?")}),
        made(4, text="7", answer="7", canonical="7", correct=False),
        made(1, OTHER, text="7", **FAILED),
    ]
    write(folder, records)
    regrade(folder, [PLAN], PROBLEMS)
    right, wrong, *others = read_attempts(folder.attempts)
    assert (right.correct, right.answer, right.failure) == (True, gold, None)
    assert (wrong.correct, wrong.canonical, wrong.failure) == (False, None, None)
    assert others == records[2:]
    assert "2 attempts, of which 2 now have a grade" in capsys.readouterr().err


def test_a_trace_is_graded_again_where_traces_are_graded(folder):
    asked = Problem("sums", "1 + 1", "2", "math", "k", graded=TRACE)
    cut_off = {"finish": "length", "text": "", "thinking": "\\boxed{2} or", "graded": TRACE}
    write(folder, [made(1, asked, **cut_off, **FAILED)])
    regrade(folder, [replace(PLAN, groups=((asked, 0),))], {asked.id: asked})
    (judged,) = read_attempts(folder.attempts)
    assert judged.correct and judged.graded == TRACE


def test_what_still_cannot_be_judged_stays_and_what_the_user_can_mend_is_said(folder, monkeypatch):
    records = [made(1, **FAILED)]
    write(folder, records)
    for error, raised in ((GradingError("?"), None), (UsageError("install it"), UsageError)):

        def fail(problem, text, error=error):
            raise error

        monkeypatch.setitem(grading.GRADERS, SUM.grader, fail)
        if raised:
            with pytest.raises(raised):
                regrade(folder, [PLAN], PROBLEMS)
        else:
            regrade(folder, [PLAN], PROBLEMS)
        assert read_attempts(folder.attempts) == records
    assert ungraded(records[0])


def test_a_folder_without_records_has_nothing_to_grade(folder):
    regrade(folder, [PLAN], PROBLEMS)
    assert not folder.attempts.exists()
