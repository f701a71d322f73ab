"""A budget of tokens for each chain: what is made of it follows from the records alone."""

import asyncio
import io
from dataclasses import dataclass, replace
from itertools import groupby

import pytest
from doubles import EchoEngine
from msgspec import structs
from rich.console import Console

from sample.allowance import Allowance
from sample.config import ArmConfig, ProblemConfig, SampleConfig
from sample.dry_run import Lengths, expected, walk_arms
from sample.dry_run_shown import Rates, show_dry_run
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.families import load_problems
from sample.models import TransformersModel
from sample.records import Ledger
from sample.scheduler import Plan, run_system
from sample.seeds import derive_seed
from sample.store import read_attempts, to_line
from sample.strategies import STRATEGIES, check_budget
from sample.withdrawal import owed_again

PROBLEMS = load_problems("sums", ProblemConfig("chain_sum", count=2))
GROUPS = tuple((problem, replicate) for problem in PROBLEMS for replicate in range(2))
ARMS = {name: ArmConfig(name) for name in STRATEGIES}
KEPT = {"aggregate": 1, "draft_distil_refine": 2}
"""Attempts of full length that a strategy keeps tokens for, and may not need them."""
LONGEST = 12
BUDGET = 40


@dataclass
class Wordy(EchoEngine):
    """Writes 1 to 16 tokens, as many as the seed says, and is cut at its limit.

    salt: another one makes calls end in another order.
    """

    salt: int = 0

    async def generate(self, request):
        made = await super().generate(request)
        for _ in range(derive_seed(self.salt, request.seed) % 9):
            await asyncio.sleep(0)
        if made.finish == "error":
            return made
        length, limit = 1 + request.seed % 16, request.decoding.max_new_tokens
        ledger = structs.replace(made.ledger, thinking=min(length, limit), answer=0)
        if length > limit:
            return replace(made, text="", finish="length", ledger=ledger)
        return replace(made, ledger=ledger)


def plan(*names, **changes):
    arms = {name: ARMS[name] for name in names or ARMS}
    decoding = Decoding(max_new_tokens=LONGEST)
    asked = Plan("base", arms, GROUPS, 12, decoding, seed=5, config="abc", budget=BUDGET)
    return replace(asked, **changes)


def sample(asked, finished=(), engine=None, in_flight=600):
    made = []
    asyncio.run(run_system(engine or Wordy(), asked, finished, made.append, in_flight))
    return made


def contents(attempts):
    assert len({made.key for made in attempts}) == len(attempts)
    return {
        made.key: structs.replace(made, ledger=structs.replace(made.ledger, seconds=0.0))
        for made in attempts
    }


def chains(attempts):
    """The attempts of each chain by step."""
    ordered = sorted(attempts, key=lambda made: made.key)
    return [list(chain) for _, chain in groupby(ordered, key=lambda made: made.key[:4])]


WHOLE = sample(plan())


def test_every_strategy_spends_its_budget_and_no_more():
    assert len(contents(WHOLE)) == plan().total
    bound = 0
    for chain in chains(WHOLE):
        spent = sum(made.ledger.generated for made in chain)
        assert spent <= BUDGET
        if any(made.finish == "unmade" for made in chain):
            assert spent >= BUDGET - LONGEST * KEPT.get(chain[0].arm, 0)
            bound += 1
    assert bound > 0.9 * len(chains(WHOLE))


def test_an_attempt_may_generate_what_those_before_it_left():
    for chain in chains(sample(plan("parallel", "sequential", "chains", "rsa", "reject_repeats"))):
        left = BUDGET
        for made in chain:
            if left == 0:
                assert made.finish == "unmade"
            for draw in (*made.rejected, made) if made.rejected else (made,):
                assert draw.finish != "length" or made.ledger.generated >= LONGEST
            assert made.ledger.generated <= left
            left -= made.ledger.generated
            assert (made.finish == "budget") <= (left == 0)


def test_attempts_that_the_budget_does_not_cut_are_those_of_a_run_without_one():
    free = contents(sample(plan("parallel", "sequential", budget=None)))
    cut = contents(sample(plan("parallel", "sequential")))
    same = [key for key, made in cut.items() if made.finish in ("stop", "length")]
    assert len(same) > 20 and all(cut[key] == free[key] for key in same)


def test_what_is_not_made_asks_costs_and_says_nothing():
    engine = Wordy()
    made = sample(plan("parallel", "sequential"), engine=engine)
    unmade = [attempt for attempt in made if attempt.finish == "unmade"]
    assert len(unmade) + len(engine.requests) == len(made) and unmade
    assert {attempt.ledger for attempt in unmade} == {Ledger(0, 0, 0, 0, 0.0)}
    assert {(a.failure, a.correct, a.answer, a.text) for a in unmade} == {(None, None, None, "")}


def test_neither_the_order_of_calls_nor_their_number_at_once_matters():
    for salt in (1, 2):
        assert contents(sample(plan(), engine=Wordy(salt=salt), in_flight=1)) == contents(WHOLE)


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_off_run_ends_with_the_same_records(seed):
    """Cut where any attempts are there, as after a kill in the middle of parallel ones."""
    other = sample(plan(), engine=Wordy(salt=seed))
    kept = other[: len(other) * (1 + seed) // 5]
    rest = sample(plan(), kept, engine=Wordy(salt=9))
    assert contents([*kept, *rest]) == contents(WHOLE)


def test_failed_attempts_made_again_leave_no_trace():
    failing = sample(plan(), engine=Wordy(error=TimeoutError("late")))
    assert sum(made.finish == "error" for made in failing) > 20
    owed = {made.key for made in owed_again(plan(), failing)}
    kept = [made for made in failing if made.key not in owed]
    assert contents([*kept, *sample(plan(), kept)]) == contents(WHOLE)


def test_a_strategy_that_ends_in_one_attempt_keeps_tokens_for_it():
    for arm, kept in KEPT.items():
        for chain in chains(sample(plan(arm))):
            assert chain[-1].finish != "unmade"
            assert any(made.finish == "unmade" for made in chain[:-1])
            drafts = sum(made.ledger.generated for made in chain[:-1])
            assert drafts <= BUDGET - LONGEST
            assert len([m for m in chain if m.finish != "unmade"]) > kept


def test_parallel_attempts_start_together_while_the_budget_is_sure_to_hold_them():
    engine = Wordy()
    sample(plan("parallel", groups=GROUPS[:1]), engine=engine)
    assert engine.most >= BUDGET // LONGEST
    free = Wordy()
    sample(plan("parallel", groups=GROUPS[:1], budget=12 * LONGEST), engine=free)
    assert free.most == 12


def test_records_of_a_budget_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "attempts.jsonl"
    path.write_bytes(b"".join(map(to_line, WHOLE)))
    assert read_attempts(path) == WHOLE


def test_a_step_waits_until_what_is_left_is_known():
    async def grants():
        allowance = Allowance(10)
        first = await allowance.grant(1, 6)
        second = asyncio.create_task(allowance.grant(2, 6))
        third = asyncio.create_task(allowance.grant(3, 6))
        await asyncio.sleep(0)
        assert not second.done()
        allowance.settle(1, 2)
        second = await second
        await asyncio.sleep(0)
        assert not third.done()
        allowance.settle(2, 6)
        return first, second, await third

    assert asyncio.run(grants()) == (6, 6, 2)


OUT_OF_ORDER = """
async def backwards(chain):
    for step in reversed(chain.steps):
        await chain.attempt(step, [{"role": "user", "content": chain.problem.question}])
"""


def test_an_own_strategy_must_ask_in_order(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OUT_OF_ORDER)
    arms = {"own": ArmConfig(f"{path}:backwards")}
    assert len(sample(plan(arms=arms, budget=None))) == 48
    with pytest.raises(UsageError, match=r"attempt 12 before attempt 1; with sample\.budget"):
        sample(plan(arms=arms))


def test_a_dry_run_counts_what_the_budget_allows():
    lengths, arms = Lengths(generated=10, most=20), {n: ARMS[n] for n in ("parallel", "aggregate")}
    found = {asked.arm: asked for asked in walk_arms(arms, 12, PROBLEMS[0], lengths, 45)}
    assert (found["parallel"].calls, found["parallel"].generated) == (5, 45)
    # 25 for the drafts: two whole, one cut; the final one is whole.
    assert (found["aggregate"].calls, found["aggregate"].generated) == (4, 35)


@pytest.mark.parametrize(("arm", "least"), [("aggregate", 24), ("draft_distil_refine", 60)])
def test_a_budget_holds_a_draft_and_what_is_made_from_it(arm, least):
    options = {"rounds": 2} if arm == "draft_distil_refine" else {}
    arms = {arm: ArmConfig(arm, options=options)}
    with pytest.raises(UsageError, match=rf"{arm}.*--set sample\.budget={least}$"):
        check_budget(arms, least - 1, LONGEST)
    check_budget(arms, least, LONGEST)
    check_budget({"parallel": ArmConfig("parallel")}, 1, LONGEST)
    for chain in chains(sample(plan(arms=arms, budget=least, attempts=13))):
        made = [attempt.step for attempt in chain if attempt.finish != "unmade"]
        expected = {1, 13} if arm == "aggregate" else {1, 6, 7, 12, 13}
        assert expected <= set(made)


def test_a_dry_run_tells_how_many_drafts_the_budget_holds():
    problems = {"sums": ProblemConfig("chain_sum")}
    arms = {name: ARMS[name] for name in ("parallel", "aggregate")}
    config = SampleConfig({"base": TransformersModel("m")}, problems, arms, attempts=12, budget=45)
    rows = expected(config, ["base"], Lengths(generated=10, most=20))
    assert [row.drafts for row in rows] == [None, (3, 11)]
    shown = io.StringIO()
    show_dry_run(rows, Lengths(10, 20), Rates(), Console(file=shown))
    assert "budget: holds 3 of 11 drafts of a chain of aggregate" in shown.getvalue()


def test_a_budget_is_a_number_of_tokens():
    problems = {"sums": ProblemConfig("chain_sum")}
    with pytest.raises(UsageError, match=r"sample\.budget: expected 1 token or more .*given: 0"):
        SampleConfig({"base": TransformersModel("m")}, problems, {"p": ARMS["parallel"]}, budget=0)
