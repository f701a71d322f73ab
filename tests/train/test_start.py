"""An adapter that goes on from that of another method."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from sample.engines.base import Decoding
from sample.errors import UsageError
from train.adapter import last_checkpoint, train_adapter
from train.config import TrainConfig
from train.method_config import MethodConfig
from train.metrics import MetricsLog
from train.task import Task

METHODS = {
    "first": MethodConfig(algorithm="sft", learn="new"),
    "second": MethodConfig(start="first"),
}
CONFIG = TrainConfig(
    METHODS, steps=3, groups=4, group_size=4, refresh=2, lora_rank=8, problem_count=20, kl=0.0
)


@pytest.fixture
def train(model_config, problems, tmp_path):
    def run(name: str, config: TrainConfig = CONFIG):
        method, seed = config.adapters[name]
        task = Task(model_config, problems, Decoding(max_new_tokens=6), 4, config, method, seed, 1)
        train_adapter(task, tmp_path / name)
        return tmp_path / name

    return run


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.filterwarnings("ignore:train")
def test_it_begins_with_the_weights_of_the_other_and_is_held_to_no_adapter_at_all(train):
    first = train("first-s0")
    still = {"learning_rate": 1e-12, "kl": 0.1}
    methods = {**METHODS, "second": replace(METHODS["second"], set=still)}
    second = train("second-s0", replace(CONFIG, methods=methods))
    begun, ended = weights(first), weights(second)
    assert begun.keys() == ended.keys() and any(begun[name].any() for name in begun if "_B" in name)
    assert all(torch.allclose(begun[name], ended[name], atol=1e-8) for name in begun)
    lines = [json.loads(line) for line in (second / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["kl"] > 0
    settings = json.loads((second / "training.json").read_text())
    assert settings["start"] and "start" not in json.loads((first / "training.json").read_text())


def test_an_adapter_that_is_not_finished_is_no_start(train):
    with pytest.raises(UsageError, match=r"a finished adapter in .*first-s0"):
        train("second-s0")


@pytest.mark.smoke
@pytest.mark.filterwarnings("ignore:train")
def test_another_adapter_in_the_place_of_the_start_is_another_training(train, tmp_path):
    train("first-s0")
    train("second-s0")
    other = replace(
        CONFIG, methods={"first": MethodConfig(algorithm="sft", learn="new", set={"steps": 2})}
    )
    (tmp_path / "first-s0").rename(tmp_path / "kept")
    train("first-s0", other)
    with pytest.raises(UsageError, match=r"begun with another .*start"):
        train("second-s0")
    alone = replace(CONFIG, methods={**METHODS, "second": MethodConfig()})
    with pytest.raises(UsageError, match=r"begun with another .*start"):
        train("second-s0", alone)


@pytest.mark.smoke
@pytest.mark.filterwarnings("ignore:train")
def test_a_killed_training_from_another_adapter_goes_on_from_its_checkpoint(
    train, tmp_path, monkeypatch
):
    train("first-s0")
    whole = weights(train("second-s0"))
    (tmp_path / "second-s0").rename(tmp_path / "undisturbed")
    original = MetricsLog.on_log

    def killed(self, args, state, *rest, **kwargs):
        original(self, args, state, *rest, **kwargs)
        if state.global_step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "on_log", killed)
        with pytest.raises(KeyboardInterrupt):
            train("second-s0")
    assert last_checkpoint(tmp_path / "second-s0" / "checkpoints").name == "checkpoint-2"
    again = weights(train("second-s0"))
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_adapters_are_trained_after_those_they_go_on_from():
    third = {**METHODS, "alone": MethodConfig(), "third": MethodConfig(start="second")}
    config = replace(CONFIG, methods=third, seeds=(0, 1))
    rounds = config.rounds(config.adapters)
    assert [sorted(some) for some in rounds] == [
        ["alone-s0", "alone-s1", "first-s0", "first-s1"],
        ["second-s0", "second-s1"],
        ["third-s0", "third-s1"],
    ]
    assert config.rounds(["third-s1"]) == [["third-s1"]] and config.rounds([]) == []


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ({"a": MethodConfig(start="b")}, r"a\.start: expected one of the other methods"),
        ({"a": MethodConfig(start="a"), "b": MethodConfig()}, r"one of the other methods \(b\)"),
        (
            {"a": MethodConfig(start="b"), "b": MethodConfig(start="a")},
            "in a circle",
        ),
        (
            {"a": MethodConfig(start="b", set={"lora_rank": 32}), "b": MethodConfig()},
            r"lora_rank: expected that of b, 16",
        ),
        (
            {"a": MethodConfig(start="b", algorithm="sft"), "b": MethodConfig()},
            "grpo where start is given",
        ),
        (
            {"a": MethodConfig(start="b", algorithm="sft", set={"steps": 2}), "b": MethodConfig()},
            "grpo where start is given",
        ),
        (
            {
                "a": MethodConfig(start="b"),
                "b": MethodConfig(start="c"),
                "c": MethodConfig(start="b"),
            },
            r"in a circle \(given: 'a -> b -> c -> b'\)",
        ),
        ({"a": MethodConfig(start="b")}, "there is none"),
    ],
)
def test_what_cannot_go_on_is_refused(methods, says):
    with pytest.raises(UsageError, match=says):
        TrainConfig(methods)
