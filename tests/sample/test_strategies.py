import asyncio
from dataclasses import replace

import pytest
from doubles import EchoEngine, attempt, count_words

from sample.config import ArmConfig
from sample.errors import UsageError
from sample.problems import Problem
from sample.prompts import REANSWER
from sample.records import Ledger
from sample.strategies import STRATEGIES, arm_options, check_arms, find_strategy
from sample.strategies.base import Chain
from sample.strategies.filler import SENTENCES, filler
from sample.strategies.irrelevant_context import fewest

PROBLEM = Problem("sums", "1 + 1 = ?", "2", "reasoning_gym", "1+1")


def walk(strategy, others=(), attempts=4, **options):
    """The messages of each step, asked for by a strategy on a fresh chain."""
    asked = {}

    async def make(step, messages):
        asked[step] = messages
        await asyncio.sleep(0)
        return attempt(step=step, text="" if step == 2 else f"t{step}")

    async def finished(arm):
        return others[arm]

    arm = ArmConfig(strategy, options=options)
    engine = EchoEngine()
    chain = Chain(
        PROBLEM, attempts, arm_options("x", arm), make, finished, engine.count_prompt_tokens
    )
    asyncio.run(find_strategy(strategy).walk(chain))
    return [asked[step] for step in range(1, attempts + 1)]


def contents(messages):
    return [message["content"] for message in messages]


def test_parallel_attempts_see_the_bare_question():
    assert walk("parallel") == [[{"role": "user", "content": PROBLEM.question}]] * 4


def test_sequential_attempts_see_all_earlier_answers_unfinished_ones_as_empty():
    turns = walk("sequential", reanswer=3)
    assert contents(turns[0]) == [PROBLEM.question]
    again = REANSWER[3]
    assert contents(turns[3]) == [PROBLEM.question, "t1", again, "", again, "t3", again]
    assert [m["role"] for m in turns[2]] == ["user", "assistant", "user", "assistant", "user"]


def test_the_reanswer_prompt_may_be_a_text():
    assert contents(walk("sequential", reanswer="Again!")[1])[-1] == "Again!"


@pytest.mark.parametrize("length", [0, 4, 5, 27, 28, 29, 400])
def test_filler_is_the_shortest_that_reaches_the_matched_length(length):
    others = [attempt(step=1, ledger=Ledger(length, None, 0, 1, 0.0))]
    [messages] = walk("irrelevant_context", {"sequential": others}, attempts=1)
    [text] = contents(messages)
    padding, _, question = text.rpartition("\n\n") if "\n\n" in text else ("", "", text)
    assert question == PROBLEM.question
    assert count_words(messages) >= length
    sentences = padding.count(".")
    assert padding == filler(sentences)
    if sentences:
        shorter = f"{filler(sentences - 1)} {question}"
        assert count_words([{"role": "user", "content": shorter}]) < length


def test_each_attempt_matches_the_same_attempt_of_the_arm_named():
    others = [attempt(step=k, ledger=Ledger(10 * k, None, 0, 1, 0.0)) for k in (1, 2, 3, 4)]
    turns = walk("irrelevant_context", {"deep": others}, match="deep")
    lengths = [count_words(messages) for messages in turns]
    assert all(10 * k <= length < 10 * k + 6 for k, length in enumerate(lengths, 1))


def test_filler_repeats_sentence_by_sentence():
    assert filler(0) == ""
    assert filler(6) == " ".join([*SENTENCES, SENTENCES[0]])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 1000, 1023])
def test_fewest_finds_the_least_count(count):
    assert fewest(lambda n: n >= count) == count


def test_swapped_history_shows_the_pool_and_not_its_own_answers():
    pool = [attempt(step=k, text=f"p{k}") for k in (1, 2, 3, 4)]
    turns = walk("swapped_history", {"wide": pool}, pool="wide", reanswer="Again!")
    assert contents(turns[0]) == [PROBLEM.question]
    assert contents(turns[2]) == [PROBLEM.question, "p1", "Again!", "p2", "Again!"]


def test_every_strategy_states_its_rule_in_one_line():
    for name, strategy in STRATEGIES.items():
        assert find_strategy(name) is strategy
        assert strategy.rule.endswith(".") and "\n" not in strategy.rule


ARMS = {
    "parallel": ArmConfig("parallel"),
    "sequential": ArmConfig("sequential"),
    "filler": ArmConfig("irrelevant_context", systems=("base",)),
    "swapped": ArmConfig("swapped_history", options={"pool": "filler"}, systems=("base",)),
}


def test_arms_that_can_run_pass():
    check_arms(ARMS)


@pytest.mark.parametrize(
    ("arms", "what"),
    [
        ({"x": ArmConfig("paralel")}, "did you mean 'parallel'"),
        ({"x": ArmConfig("best_guess")}, "strategies: parallel: Every attempt"),
        ({"x": ArmConfig("parallel", options={"reanswer": 1})}, "unknown key.*x.options.reanswer"),
        ({"x": ArmConfig("sequential", options={"renaswer": 1})}, "did you mean 'reanswer'"),
        ({"x": ArmConfig("sequential", options={"reanswer": 4})}, "reanswer takes 0 to 3"),
        ({"x": ArmConfig("sequential", options={"reanswer": []})}, "x.options.reanswer"),
        ({"swapped": ArmConfig("swapped_history", options={"pool": "no"})}, "not in sample.arms"),
        ({"sequential": ArmConfig("sequential", systems=("other",))}, "must lie within"),
        ({"filler": replace(ARMS["filler"], options={"match": "swapped"})}, "each other"),
        ({"filler": ArmConfig("irrelevant_context", options={"match": "filler"})}, "each other"),
        ({"swapped": ArmConfig("swapped_history", options={"pool": "filler"})}, "must lie within"),
    ],
)
def test_arms_that_cannot_run_are_refused(arms, what):
    with pytest.raises(UsageError, match=what):
        check_arms({**ARMS, **arms})
