"""Rejection sampling on attempts that a run holds already."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from sample.engines.base import Decoding
from sample.engines.chat import Chat
from sample.engines.loading import load_tokenizer
from sample.errors import UsageError
from sample.families import load_problems
from sample.records import Attempt, Ledger
from sample.runfolder import RunFolder
from sample.store import AttemptStore, read_attempts
from train.adapter import train_adapter
from train.config import TrainConfig
from train.method_config import HistoryConfig, MethodConfig
from train.recorded import recorded_lines, recorded_of, recorded_pools
from train.replay import replay_of
from train.rollouts import Rollouts
from train.task import Task

ARMS = {
    "p": {"strategy": "parallel"},
    "s": {"strategy": "sequential"},
    "other": {"strategy": "sequential", "options": {"reanswer": 2}},
}


@pytest.fixture
def paid(tmp_path, problems, model_folder):
    """A run on two problems: a wrong attempt, then a correct one in each arm, of two systems."""
    folder = RunFolder(tmp_path / "paid")
    folder.path.mkdir()
    family = {"task": "chain_sum", "options": problems["sum"].options, "split": "train", "count": 2}
    sample = {"models": {"base": {"path": str(model_folder)}}, "arms": ARMS,
              "problems": {"sum": family}}  # fmt: skip
    folder.config.write_text(yaml.safe_dump({"sample": sample}))
    with AttemptStore(folder.attempts) as store:
        for problem in load_problems("sum", replace(problems["sum"], split="train", count=2)):
            for system, arm in [("base", "p"), ("base", "s"), ("base", "other"), ("adapted", "p")]:
                for step, text in enumerate(("1", "23"), 1):
                    store.append(
                        Attempt("sum", problem.id, arm, system, 0, step, 7, "", text, text, text,
                                step == 2, "stop", Ledger(5, None, 0, len(text) + 1, 0.1))
                    )  # fmt: skip
    return str(folder.path)


def config_of(path, learn="correct", draws=1, **more):
    history = HistoryConfig(replay=path, **more)
    method = MethodConfig(history, algorithm="sft", learn=learn, draws=draws)
    return TrainConfig({"offline": method}, steps=2, groups=2, group_size=2, lora_rank=8)


def found_in(path, problems, model, learn="correct", draws=1):
    config = config_of(path, learn, draws)
    return recorded_of(replay_of(problems, config, "offline"), model, config, "offline", 4)


def test_it_learns_the_models_own_correct_attempts_after_their_own_prompts(
    paid, problems, model_config
):
    found = found_in(paid, problems, model_config)
    assert len(found) == 8 and {one.attempt.system for one in found} == {"base"}
    right = {(one.attempt.arm, one.answers) for one in found if one.learned}
    assert right == {("p", ()), ("s", ("1",))}
    chat = Chat(load_tokenizer(model_config.path))
    odd = next(one for one in found if one.learned)
    odd = replace(
        odd, answers=("9",), attempt=structs.replace(odd.attempt, ledger=Ledger(5, 0, 0, 4, 0.1))
    )
    with pytest.raises(UsageError, match="as many tokens as its tokenizer makes"):
        recorded_lines([odd], chat, 2)
    first, second = recorded_lines([*found, *found, odd, replace(odd, answers=("8",))], chat, 2)
    assert not second["examples"] and len(first["examples"]) == 4
    assert first["numbers"] == second["numbers"] and first["numbers"]["valid"] == 1
    for _, ids in first["examples"]:
        assert ids == [*chat.encode("23"), load_tokenizer(model_config.path).eos_token_id]


def test_it_learns_the_different_answers_to_a_bare_question_after_each_other(
    paid, problems, model_config
):
    found = found_in(paid, problems, model_config, "new")
    assert {(one.attempt.system, one.attempt.arm) for one in found} == {("base", "p")}
    assert [(one.attempt.text, one.answers, one.learned) for one in found] == [
        ("1", (), True), ("23", ("1",), True)
    ] * 2  # fmt: skip


def test_answers_that_are_drawn_again_or_cut_off_are_not_learned_as_new(
    paid, problems, model_config
):
    attempts = RunFolder(Path(paid)).attempts
    first, second = [one for one in read_attempts(attempts) if one.arm == "p"][:2]
    more = [
        structs.replace(second, step=3), structs.replace(second, step=4, canonical="7"),
        structs.replace(second, step=5, canonical="8", text="8", finish="length"),
    ]  # fmt: skip
    with AttemptStore(attempts) as store:
        for one in more:
            store.append(one)
    found = found_in(paid, problems, model_config, "new")
    mine = sorted(
        (one for one in found if one.problem.id == first.problem), key=lambda one: one.attempt.step
    )
    assert [one.learned for one in mine] == [True, True, False, True, False]
    assert mine[3].answers == ("1", "23")


def test_an_attempt_is_learned_in_several_places_and_counted_once(paid, problems, model_config):
    found = found_in(paid, problems, model_config, "new", draws=2)
    assert [(one.attempt.text, one.answers) for one in found if one.learned] == [
        ("1", ()), ("23", ()), ("23", ("1",))
    ] * 2  # fmt: skip
    chat = Chat(load_tokenizer(model_config.path))
    lines = recorded_pools(found, chat, 2, seed=1)
    assert [len(line["examples"]) for line in lines] == [3, 3]
    assert lines[0]["examples"] != lines[1]["examples"]
    assert lines[0]["numbers"]["accuracy"] == 0.5


def test_pools_are_learned_whole_in_turn_and_again_where_they_are_few(paid, problems, model_config):
    found = found_in(paid, problems, model_config, "new")
    chat = Chat(load_tokenizer(model_config.path))
    [both] = recorded_pools(found, chat, 1, seed=1)
    assert len(both["examples"]) == 4
    with pytest.warns(UserWarning, match="5 steps go 2 times over the 2 pools"):
        lines = recorded_pools(found, chat, 5, seed=1)
    first, second = both["examples"][:2], both["examples"][2:]
    assert [line["examples"] for line in lines] == [first, second, first, second, first]
    orders = [recorded_pools(found, chat, 1, seed=seed)[0]["examples"] for seed in range(8)]
    assert any(order != both["examples"] for order in orders)


@pytest.mark.parametrize("learn", ["correct", "new"])
def test_it_draws_nothing_and_ends_with_an_adapter(
    paid, problems, model_config, tmp_path, monkeypatch, learn
):
    monkeypatch.setattr(Rollouts, "roll", lambda *_: pytest.fail("an attempt was drawn"))
    decoding = Decoding(max_new_tokens=6)
    task = Task(model_config, problems, decoding, 4, config_of(paid, learn), "offline", 0, 1)
    train_adapter(task, tmp_path / "adapter")
    lines = (tmp_path / "adapter" / "metrics.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        assert line["loss"] > 0 and line["accuracy"] == 0.5 and line["generated_tokens"] == 0
    assert len(lines) == 2


def test_runs_that_teach_nothing_of_this_model_are_refused(paid, problems, model_config):
    with pytest.raises(UsageError, match="a run of base = elsewhere"):
        found_in(paid, problems, replace(model_config, path="elsewhere"))
    attempts = RunFolder(Path(paid)).attempts
    wrong = [structs.replace(one, correct=False) for one in read_attempts(attempts)]
    attempts.unlink()
    with AttemptStore(attempts) as store:
        for one in wrong:
            store.append(one)
    with pytest.raises(UsageError, match=r"a correct attempt of base to learn.*none among 8"):
        found_in(paid, problems, model_config)


@pytest.mark.parametrize("more", [{"depths": (1, 1)}, {"solved": 0.5}])
def test_what_would_have_no_effect_beside_it_is_refused(more):
    with pytest.raises(UsageError, match="nothing beside replay with algorithm sft"):
        config_of("somewhere", **more)
