import asyncio
import threading
from dataclasses import dataclass, replace

import pytest
from doubles import EchoEngine
from msgspec import structs

from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.errors import ForageError, UsageError
from sample.families import load_problems
from sample.grading import Grade, GradingError
from sample.problems import Problem
from sample.records import DEPENDENT, Failure, Ledger
from sample.scheduler import Plan, run_system
from sample.seeds import derive_seed
from sample.strategies import STRATEGIES

ARMS = {
    "irrelevant_context": ArmConfig("irrelevant_context"),
    "swapped_history": ArmConfig("swapped_history"),
    "sequential": ArmConfig("sequential"),
    "parallel": ArmConfig("parallel"),
}
PROBLEMS = load_problems("sums", ProblemConfig("chain_sum", count=3))


def make_plan(problems=PROBLEMS, **changes):
    groups = tuple((problem, replicate) for problem in problems for replicate in range(2))
    plan = Plan("base", ARMS, groups, attempts=3, decoding=Decoding(), seed=5, config="abc")
    return replace(plan, **changes)


def sample(plan, finished=(), engine=None, in_flight=8):
    made = []
    asyncio.run(run_system(engine or EchoEngine(), plan, finished, made.append, in_flight))
    return made


def by_key(attempts):
    assert len({attempt.key for attempt in attempts}) == len(attempts)
    same = (structs.replace(a, ledger=structs.replace(a.ledger, seconds=0.0)) for a in attempts)
    return {attempt.key: attempt for attempt in same}


WHOLE = sample(make_plan())


def test_every_attempt_is_made_once_whatever_order_the_arms_have():
    plan = make_plan()
    assert len(by_key(WHOLE)) == plan.total == 3 * 2 * 4 * 3
    assert all(plan.asks_for(attempt) for attempt in WHOLE)
    assert all(attempt.config == "abc" and attempt.family == "sums" for attempt in WHOLE)
    arms = dict(reversed(ARMS.items()))
    assert by_key(sample(make_plan(arms=arms), in_flight=1)) == by_key(WHOLE)


def test_seeds_depend_on_the_whole_key_and_nothing_else():
    seeds = {attempt.seed for attempt in WHOLE}
    assert len(seeds) == len(WHOLE)
    first = WHOLE[0]
    place = (first.problem, first.system, first.arm, first.replicate, first.step)
    assert first.seed == derive_seed(5, *place)
    other = sample(make_plan(system="other"))
    assert not seeds & {attempt.seed for attempt in other}


def test_controls_read_the_arm_of_their_own_group():
    records = by_key(WHOLE)
    for (problem, arm, system, replicate, step), attempt in records.items():
        if arm == "irrelevant_context":
            matched = records[problem, "sequential", system, replicate, step]
            assert 0 <= attempt.ledger.prompt - matched.ledger.prompt < 6


@pytest.mark.parametrize("cut", [0, 1, 7, 40, 71, 72])
def test_a_cut_off_run_ends_with_the_same_records(cut):
    engine = EchoEngine()
    rest = sample(make_plan(), WHOLE[:cut], engine)
    assert len(rest) == len(engine.requests) == 72 - cut
    assert by_key([*WHOLE[:cut], *rest]) == by_key(WHOLE)


def test_records_of_other_systems_and_arms_are_not_taken_for_finished_ones():
    foreign = [structs.replace(a, system="other") for a in WHOLE] + [
        structs.replace(a, arm="z") for a in WHOLE
    ]
    assert by_key(sample(make_plan(), foreign)) == by_key(WHOLE)


def test_groups_under_way_are_bounded_and_run_side_by_side():
    parallel = {"parallel": ArmConfig("parallel")}
    most = {}
    for in_flight in (1, 4, 100):
        engine = EchoEngine()
        sample(make_plan(arms=parallel), engine=engine, in_flight=in_flight)
        most[in_flight] = engine.most
    assert most == {1: 3, 4: 12, 100: 18}


def test_a_failed_call_is_a_record_and_is_not_made_again():
    engine = EchoEngine(error=RuntimeError("no\nanswer"))
    made = sample(make_plan(), engine=engine)
    failed = [attempt for attempt in made if attempt.finish == "error"]
    failed = [attempt for attempt in failed if attempt.failure.type != "depends_on_failed"]
    assert len(made) == 72 and 0 < len(failed) < len(engine.requests) < 72
    for attempt in failed:
        assert attempt.failure is not None
        assert (attempt.failure.type, attempt.failure.message) == ("RuntimeError", "no answer")
        assert attempt.correct is attempt.answer is attempt.canonical is None
        assert attempt.text == "" and attempt.ledger.generated == 0
    assert sample(make_plan(), made) == []


def test_what_rests_on_a_failed_attempt_is_not_made():
    arms = {name: ArmConfig(name) for name in STRATEGIES}
    arms["rsa"] = ArmConfig("rsa", options={"population": 2})
    plan = make_plan(arms=arms, attempts=4)
    engine = EchoEngine(error=RuntimeError("no answer"))
    made = {attempt.key: attempt for attempt in sample(plan, engine=engine)}
    assert not [r for r in engine.requests for m in r.messages if not m["content"].strip()]
    assert not [r for r in engine.requests if "(unfinished)" in r.messages[0]["content"]]
    without = {key for key, a in made.items() if a.failure and a.failure.type == DEPENDENT}
    assert len(made) - len(without) == len(engine.requests) - sum(
        len(attempt.rejected) for attempt in made.values()
    )
    for key in made:
        problem, arm, system, replicate, step = key
        earlier = [made[problem, arm, system, replicate, k].finish for k in range(1, step)]
        matched = made[problem, "sequential", system, replicate, step]
        if arm in ("sequential", "masked", "shuffled", "budget_forcing", "reject_repeats"):
            assert (key in without) == ("error" in earlier)
        elif arm == "irrelevant_context":
            assert (key in without) == (matched.finish == "error")
    assert {key[1] for key in without} >= set(STRATEGIES) - {"parallel", "wrong_only", "correct"}
    assert {made[key].ledger for key in without} == {Ledger(0, None, 0, 0, 0.0)}


def test_what_rests_on_a_skipped_attempt_is_skipped():
    arms = {"given": ArmConfig("correct"),
            "swapped": ArmConfig("swapped_history", options={"pool": "given"}),
            "long": ArmConfig("irrelevant_context", options={"match": "given"})}  # fmt: skip
    goldless = Problem("sums", "1 + 1 = ?", "", "reasoning_gym", "k", {"task": "chain_sum"})
    made = sample(make_plan(arms=arms, problems=[goldless]))
    called = {(attempt.arm, attempt.step) for attempt in made if attempt.finish != "skipped"}
    assert called == {("swapped", 1)}


@pytest.mark.parametrize("error", [ForageError("bad weights"), MemoryError()])
def test_what_stops_the_engine_stops_the_run(error):
    with pytest.raises(ForageError, match=r"bad weights|smaller batch"):
        sample(make_plan(), engine=EchoEngine(error=error))


def test_an_answer_that_breaks_its_grader_is_not_graded():
    broken = Problem("sums", "1 + 1 = ?", "2", "reasoning_gym", "k", {"task": "chain_sum"})
    made = sample(make_plan(problems=[broken]))
    assert {attempt.correct for attempt in made} == {None}
    assert {attempt.failure.type for attempt in made if attempt.failure} == {"KeyError"}
    assert all(attempt.text and attempt.finish == "stop" for attempt in made)


def test_every_draw_is_recorded_and_paid():
    arms = {"reject_repeats": ArmConfig("reject_repeats", options={"redraws": 2})}
    engine = EchoEngine()
    made = by_key(sample(make_plan(arms=arms, attempts=8), engine=engine))
    seeds = {request.seed for request in engine.requests}
    assert len(seeds) == len(engine.requests) == sum(1 + len(a.rejected) for a in made.values())
    assert seeds == {d.seed for a in made.values() for d in (a, *a.rejected)}
    for attempt in made.values():
        earlier = {a.canonical for a in made.values() if a.key[:4] == attempt.key[:4]
                   and a.step < attempt.step}  # fmt: skip
        assert all(draw.canonical in earlier for draw in attempt.rejected)
        assert attempt.canonical not in earlier or len(attempt.rejected) == 2
        assert attempt.ledger.generated == 3 * (1 + len(attempt.rejected))
        assert attempt.ledger.prompt == attempt.ledger.prompt // (1 + len(attempt.rejected)) * (
            1 + len(attempt.rejected)
        )
    assert max(len(attempt.rejected) for attempt in made.values()) == 2


def test_a_control_that_the_problem_does_not_allow_is_skipped_without_a_call():
    arms = {"correct": ArmConfig("correct")}
    problems = [replace(problem, answer="") for problem in PROBLEMS]
    engine = EchoEngine()
    made = sample(make_plan(problems, arms=arms), engine=engine)
    assert len(made) == 3 * 2 * 3 and not engine.requests
    for attempt in made:
        assert (attempt.finish, attempt.correct, attempt.ledger.generated) == ("skipped", None, 0)
        assert attempt.failure == Failure("not_applicable", "the problem has no gold answer")
    assert sample(make_plan(problems, arms=arms), made) == []


def test_answers_to_other_problems_come_from_the_partner():
    @dataclass
    class Naming(EchoEngine):
        async def generate(self, request):
            made = await super().generate(request)
            return replace(made, text=request.messages[0]["content"])

    arms = {"other_problems": ArmConfig("other_problems"), "parallel": ArmConfig("parallel")}
    engine = Naming()
    sample(make_plan(arms=arms), engine=engine, in_flight=1)
    shown = {
        (request.messages[0]["content"], turn["content"])
        for request in engine.requests
        for turn in request.messages[1::2]
    }
    first, second, third = (problem.question for problem in PROBLEMS)
    assert shown == {(first, second), (second, third), (third, first)}


def test_arms_that_n_does_not_suit_stop_before_any_call():
    engine = EchoEngine()
    with pytest.raises(UsageError, match=r"width: expected a divisor of sample\.attempts \(3\)"):
        sample(make_plan(arms={"chains": ArmConfig("chains")}), engine=engine)
    assert not engine.requests


def test_grades_come_from_the_problem():
    sums = {problem.id: problem for problem in PROBLEMS}
    for attempt in WHOLE:
        assert attempt.correct == (attempt.text == sums[attempt.problem].answer)


# --- graders that wait for other processes

PROGRAM = Problem("functions", "q", "", "code", "k", {"public": {}})


def test_a_waiting_grader_does_not_stall_the_engine(monkeypatch):
    """No grade is given until the engine has been asked again."""
    engine, asked_again = EchoEngine(), threading.Event()

    def wait(problem, text):
        if len(engine.requests) > 1:
            asked_again.set()
        assert asked_again.wait(10)
        return Grade(text, text, True)

    monkeypatch.setattr("sample.calls.grade", wait)
    plan = make_plan((PROGRAM,), arms={"parallel": ArmConfig("parallel")}, attempts=4)
    assert all(attempt.correct for attempt in sample(plan, engine=engine))


def test_what_the_user_can_mend_ends_the_run_and_an_ungraded_answer_does_not(monkeypatch):
    def refuse(error):
        def grade(problem, text):
            raise error

        monkeypatch.setattr("sample.calls.grade", grade)

    refuse(GradingError("the sandbox failed"))
    made = sample(make_plan((PROGRAM,)))
    assert {(a.correct, a.failure.type) for a in made} == {(None, "GradingError")}
    refuse(UsageError("no bubblewrap"))
    with pytest.raises(UsageError, match="no bubblewrap"):
        sample(make_plan((PROGRAM,)))


def test_a_text_is_graded_once_for_each_problem_and_replicate(monkeypatch):
    graded = []

    def judge(problem, text):
        graded.append(text)
        return Grade(text, text, len(graded) == 1)

    monkeypatch.setattr("sample.calls.grade", judge)
    (problem, *_) = PROBLEMS
    arms = {"sequential": ArmConfig("sequential")}
    made = sample(make_plan((problem,), arms=arms, attempts=40))
    for replicate in range(2):
        chain = [attempt for attempt in made if attempt.replicate == replicate]
        by_text = {(attempt.text, attempt.correct) for attempt in chain}
        assert len(by_text) == len({text for text, _ in by_text}) < len(chain) == 40
    assert len(graded) == len({(attempt.replicate, attempt.text) for attempt in made})
