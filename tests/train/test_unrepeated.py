"""Draws without replacement, learned."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample.engines.base import Decoding
from sample.engines.batch import Sequence
from sample.engines.chat import Chat
from sample.errors import UsageError
from sample.grading import Grade
from sample.problems import Problem
from train.config import TrainConfig
from train.dataset import Slot
from train.groups import Group
from train.histories import History, Tokens
from train.method_config import HistoryConfig, MethodConfig, RewardConfig
from train.rollouts import Rolled
from train.unrepeated import new_answers, unrepeated


def test_each_different_answer_comes_after_those_before_it():
    texts, forms = ("1+2", "2+1", "??", "4", "4 ", "5"), ("3", "3", None, "4", "4", "5")
    assert list(unrepeated(texts, forms, 8)) == [(0, ()), (3, ("1+2",)), (5, ("1+2", "4"))]
    assert list(unrepeated(texts, forms, 2)) == [(0, ()), (3, ("1+2",))]
    assert list(unrepeated(("??",), (None,), 8)) == []


def test_with_more_draws_a_place_is_learned_from_what_is_left_of_the_pool():
    texts, forms = ("3", "4", "03", "??", "4", "5"), ("3", "4", "3", None, "4", "5")
    found = list(unrepeated(texts, forms, 8, draws=3))
    assert [index for index, before in found if before == ()] == [0, 1, 2]
    assert [index for index, before in found if before == ("3",)] == [1, 4, 5]
    assert [index for index, before in found if before == ("3", "4")] == [5]
    assert len(found) == 7


@given(st.lists(st.sampled_from(["a", "b", "c", None])), st.integers(1, 4), st.integers(1, 4))
def test_no_answer_is_learned_after_itself_whatever_the_draws(forms, most, draws):
    texts = [f"{form}{index}" for index, form in enumerate(forms)]
    found = list(unrepeated(texts, forms, most, draws))
    assert all(forms[index] not in {text[0] for text in before} for index, before in found)
    firsts = {before: index for index, before in reversed(found)}
    assert [(firsts[before], before) for before in dict.fromkeys(b for _, b in found)] == list(
        unrepeated(texts, forms, most)
    )


@given(st.lists(st.sampled_from(["a", "b", "c", None])), st.integers(1, 4))
def test_no_answer_is_learned_after_itself_and_none_is_left_out(forms, most):
    texts = [f"{form}{index}" for index, form in enumerate(forms)]
    found = list(unrepeated(texts, forms, most))
    kept = [forms[index] for index, _ in found]
    assert kept == list(dict.fromkeys(form for form in forms if form is not None))[:most]
    for place, (_, before) in enumerate(found):
        assert before == tuple(texts[index] for index, _ in found[:place])


def test_the_second_answer_is_drawn_without_replacement():
    """Of a pool of a, a, b, c in any order: P(b | a first) = P(b) / (1 - P(a))."""
    seconds: Counter[str] = Counter()
    for pool in permutations("aabc"):
        index, before = list(unrepeated(pool, pool, 2))[1]
        if before == ("a",):
            seconds[pool[index]] += 1
    assert seconds["b"] == seconds["c"] and set(seconds) == {"b", "c"}


def _grades(*forms: str) -> tuple[Grade, ...]:
    return tuple(Grade(form, form, False) for form in forms)


def test_the_ids_learned_are_those_drawn_after_the_prompt_of_a_chain(tokenizer):
    chat = Chat(tokenizer)
    problems = [Problem("sum", str(n), f"{n}+{n}=", {}, {}, "toy") for n in (1, 2)]
    pools = [History(Slot(0, n, problem, 0), ()) for n, problem in enumerate(problems)]
    drawn = [Sequence([0], 0, Decoding()) for _ in range(4)]
    for number, one in enumerate(drawn):
        one.tokens = [number]
    groups = [
        Group("sum", (), _grades("3", "3"), (1, 1), texts=("3", "3")),
        Group("sum", (), _grades("5", "6"), (1, 1), texts=("5", "6")),
    ]
    made = Rolled(drawn, groups, Tokens(), None)
    examples = new_answers(chat, 8, 1, made, pools)
    assert [ids for _, ids in examples] == [[0], [2], [3]]
    shown = [tokenizer.decode(prompt) for prompt, _ in examples]
    assert ["5" in text for text in shown] == [False, False, True]
    assert "1" in shown[0] and "2" in shown[1] and "2" in shown[2]


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (MethodConfig(learn="new"), "sft with learn: new"),
        (MethodConfig(False, algorithm="sft", learn="new"), "true or replay alone"),
        (
            MethodConfig(HistoryConfig(solved=0.5), algorithm="sft", learn="new"),
            "true or replay alone",
        ),
        (MethodConfig(algorithm="sft", learn="odd"), "one of correct, new"),
        (MethodConfig(algorithm="sft", draws=2), "1 .the default. without learn: new"),
        (MethodConfig(algorithm="sft", learn="new", draws=9), "1 to group_size .8."),
    ],
)
def test_what_would_have_no_effect_is_refused(method, says):
    with pytest.raises(UsageError, match=says):
        TrainConfig({"m": method})


def test_pools_of_a_run_may_give_more_draws_than_a_group_has_attempts():
    replayed = HistoryConfig(replay="runs/paid")
    TrainConfig({"m": MethodConfig(replayed, algorithm="sft", learn="new", draws=20)})
    with pytest.raises(UsageError, match="draws: expected 1 or more"):
        TrainConfig({"m": MethodConfig(replayed, algorithm="sft", learn="new", draws=0)})


def test_a_reward_is_refused_beside_it():
    config = MethodConfig(algorithm="sft", learn="new")
    with pytest.raises(UsageError, match="none with algorithm sft"):
        TrainConfig({"m": replace(config, rewards={"sum": RewardConfig()})})
