import asyncio
import threading
from dataclasses import replace

import pytest
from doubles import EchoEngine

from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.grading import Grade, beside, grade, waits
from sample.problems import Problem
from sample.records import ANSWER, TRACE
from sample.scheduler import Plan, run_system

COUNTDOWN = Problem(
    "countdown", "Make 37 of 8, 5, 3.", "8*5 - 3", "reasoning_gym", "k",
    {"task": "countdown", "entry": {"numbers": [8, 5, 3], "target": 37}},
)  # fmt: skip
CHAIN_SUM = Problem(
    "chain_sum", "1 + 2 - 7 =", "-4", "reasoning_gym", "k", {"task": "chain_sum", "entry": {}}
)


def test_any_right_expression_is_correct():
    for text in ("8*5 - 3", " 5 * 8 - 3\n", "(5*8)-3"):
        assert grade(COUNTDOWN, text).correct
    assert grade(COUNTDOWN, "8*5-3").canonical == grade(COUNTDOWN, "5 * 8 - 3").canonical


def test_wrong_but_well_formed_keeps_its_class():
    found = grade(COUNTDOWN, "8 + 5 + 3")
    assert not found.correct and found.canonical is not None


@pytest.mark.parametrize("text", ["37", "8*5", "8*5-3+0", "8*5-3 = 37", "eval('8')", "8/(5-5)-3"])
def test_malformed_is_wrong_and_has_no_class(text):
    found = grade(COUNTDOWN, text)
    assert not found.correct and found.canonical is None and found.answer == text


def test_division_by_zero_is_wrong_not_a_crash():
    zero = Problem(
        "c", "q", "x", "reasoning_gym", "k",
        {"task": "countdown", "entry": {"numbers": [8, 5, 5], "target": 8}},
    )  # fmt: skip
    assert not grade(zero, "8 / (5 - 5)").correct


def test_no_answer_has_nothing():
    found = grade(CHAIN_SUM, "  \n")
    assert (found.answer, found.canonical, found.correct) == (None, None, False)


def test_numbers_are_compared_by_value():
    for text in ("-4", "-4.0", "-04"):
        assert grade(CHAIN_SUM, text).correct
    assert grade(CHAIN_SUM, "-4.0").canonical == grade(CHAIN_SUM, "-4").canonical
    assert not grade(CHAIN_SUM, "4").correct
    assert grade(CHAIN_SUM, "nan").canonical is None
    assert grade(CHAIN_SUM, "four").canonical is None


class CutOff(EchoEngine):
    """Finds the answer in its thinking, and does not come to the end of it."""

    async def generate(self, request):
        made = await super().generate(request)
        thinking = "So \\boxed{2}. Or" if request.seed % 2 else "2, I think"
        return replace(made, thinking=thinking, text="", finish="length")


@pytest.mark.parametrize("graded", [ANSWER, TRACE])
def test_a_boxed_value_in_a_trace_is_graded_where_that_is_asked_for(graded):
    asked = Problem("sums", "1 + 1", "2", "math", "k", graded=graded)
    made = []
    arms = {"parallel": ArmConfig("parallel")}
    plan = Plan("base", arms, ((asked, 0),), 8, Decoding(), seed=1, config="abc")
    asyncio.run(run_system(CutOff(), plan, (), made.append, 4))
    boxed = {a.step for a in made if "boxed" in a.thinking}
    assert 0 < len(boxed) < 8 and {a.graded for a in made} == {graded}
    assert {a.step for a in made if a.correct} == (boxed if graded == TRACE else set())


def test_only_answers_of_mathematics_are_found_in_a_trace():
    with pytest.raises(UsageError, match=r"chain_sum: graded: expected answer \(trace is for math"):
        ProblemConfig("chain_sum", graded=TRACE)
    assert ProblemConfig("aime2025", source="hub", graded=TRACE).graded == TRACE


@pytest.mark.parametrize(
    "grader,outside", [("math", True), ("code", True), ("reasoning_gym", False)]
)
def test_what_waits_is_graded_beside_the_event_loop(grader, outside, monkeypatch):
    metadata = {"public": {}, "hidden": {}}
    asked = Problem("sums", "1 + 1", "2", grader, "k", metadata) if outside else CHAIN_SUM
    threads = []

    def judge(problem, text):
        threads.append(threading.current_thread())
        return Grade(text, text, True)

    monkeypatch.setattr("sample.calls.grade", judge)
    arms = {"parallel": ArmConfig("parallel")}
    plan = Plan("base", arms, ((asked, 0),), 2, Decoding(), seed=1, config="abc")
    asyncio.run(run_system(EchoEngine(), plan, (), lambda made: None, 4))
    assert waits(asked) == outside and len(threads) == 2
    assert {thread is threading.main_thread() for thread in threads} == {not outside}


def test_the_event_loop_goes_on_while_something_is_waited_for():
    async def opened_from_the_loop():
        door = threading.Event()
        waiting = asyncio.create_task(beside(door.wait, 60))
        await asyncio.sleep(0.01)
        door.set()
        return await waiting

    assert asyncio.run(opened_from_the_loop())
