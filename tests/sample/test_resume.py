"""Every strategy, in one run: what a killed run left over is finished with the same records."""

import asyncio

import pytest
from doubles import EchoEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.families import load_problems
from sample.scheduler import Plan, run_system
from sample.strategies import STRATEGIES

ARMS = {
    **{name: ArmConfig(name) for name in STRATEGIES},
    **{
        history: ArmConfig("sequential", options={"history": history})
        for history in ("thinking", "tally", "sketches", "tried", "none")
    },
    "window": ArmConfig("sequential", options={"window": 2}),
    "execution": ArmConfig("sequential", options={"feedback": "execution"}),
    "swapped_rsa": ArmConfig("swapped_history", options={"pool": "rsa"}),
    "rsa": ArmConfig("rsa", options={"population": 2}),
}
PROBLEMS = load_problems("sums", ProblemConfig("chain_sum", count=3))
GROUPS = tuple((problem, replicate) for problem in PROBLEMS for replicate in range(2))
PLAN = Plan("base", ARMS, GROUPS, attempts=4, decoding=Decoding(), seed=5, config="abc")


def count_digits(problem):
    async def tests(text):
        return f"{len(text)} digits for {problem.question}"

    return tests


@pytest.fixture(autouse=True, scope="module")
def public_tests():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sample.scheduler.public_tests", count_digits)
        yield


def sample(finished=(), in_flight=60):
    made, engine = [], EchoEngine()
    asyncio.run(run_system(engine, PLAN, finished, made.append, in_flight))
    assert len(engine.requests) == sum(
        1 + len(attempt.rejected) for attempt in made if attempt.finish != "skipped"
    )
    return made


def by_key(attempts):
    """The records without their timing; the text of each hangs on all that its request said."""
    assert len({attempt.key for attempt in attempts}) == len(attempts)
    return {
        attempt.key: replace(
            attempt,
            ledger=replace(attempt.ledger, seconds=0.0),
            rejected=tuple(
                replace(draw, ledger=replace(draw.ledger, seconds=0.0)) for draw in attempt.rejected
            ),
        )
        for attempt in attempts
    }


@pytest.fixture(scope="module")
def whole(public_tests):
    return sample()


def test_every_step_of_every_arm_is_there(whole):
    assert len(by_key(whole)) == PLAN.total == 6 * len(ARMS) * 4
    assert any(attempt.rejected for attempt in whole)
    assert {attempt.arm for attempt in whole if attempt.rejected} == {"reject_repeats"}


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_run_cut_off_anywhere_ends_with_the_same_records(whole, data):
    cut = data.draw(st.integers(0, len(whole)))
    in_flight = data.draw(st.sampled_from([1, 60, 1000]))
    rest = sample(whole[:cut], in_flight)
    assert len(rest) == len(whole) - cut
    assert by_key([*whole[:cut], *rest]) == by_key(whole)
