import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sample.config import ProblemConfig
from sample.engines.base import Decoding
from sample.errors import ForageError, UsageError
from sample.models import TransformersModel
from train.adapter import train_adapter
from train.config import TrainConfig
from train.hardware import HardwareConfig
from train.launch import (
    ARGUMENTS,
    _command,
    _lines,
    _require_success,
    _work,
    train_in_processes,
)
from train.method_config import MethodConfig, RewardConfig
from train.task import Task

REWARD = RewardConfig("distinct", 1.0, measure="embedding")
CONFIG = TrainConfig(
    methods={
        "diverse": MethodConfig(rewards={"sum": REWARD}),
        "rejection": MethodConfig(algorithm="sft"),
        "unrepeated": MethodConfig(algorithm="sft", learn="new"),
    },
    steps=3,
    groups=4,
    group_size=4,
    refresh=2,
    lora_rank=8,
    problem_count=20,
)
TWO = HardwareConfig(processes=2)
MODEL = str(Path(__file__).parents[2] / "models" / "anchored")
OPTIONS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip
COUNTDOWN = {"countdown": ProblemConfig("countdown", options=OPTIONS)}


@pytest.fixture
def task(model_config, problems):
    return Task(model_config, problems, Decoding(max_new_tokens=6), 4, CONFIG, "diverse", 0, 1)


def numbers(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.smoke
@pytest.mark.parametrize("method", CONFIG.methods)
def test_two_processes_learn_what_one_does_from_the_same_attempts(method, task, tmp_path):
    """A group is whole in its process, seeds and problems do not hang on the processes, and the
    gradients are put together: all but rounding is the same."""
    task = replace(task, method=method)
    if method == "rejection":  # the tiny model is hardly ever right
        model, decoding = TransformersModel(MODEL), Decoding(max_new_tokens=48)
        task = replace(task, model=model, problems=COUNTDOWN, decoding=decoding)
    train_adapter(task, tmp_path / "alone")
    for step in range(200):  # torn: only one of the processes may delete them
        (tmp_path / "shared" / "checkpoints" / f"checkpoint-{step}").mkdir(parents=True)
    shared = replace(task, config=replace(CONFIG, hardware=TWO, batch=2))
    said = []
    train_in_processes(shared, tmp_path / "shared", gpu=False, send=said.append)
    assert all("without a difference of reward" in line for line in said), said
    alone, both = numbers(tmp_path / "alone"), numbers(tmp_path / "shared")
    for key in ("reward", "accuracy", "distinct", "valid", "prompt_tokens", "generated_tokens"):
        assert [line[key] for line in both] == pytest.approx([line[key] for line in alone]), key
    one, other = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("alone", "shared")
    )
    assert one.keys() == other.keys()
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, atol=1e-4, rtol=1e-2)
    moved = sum(float(weight.abs().sum()) for name, weight in one.items() if "lora_B" in name)
    assert moved > 0.1


def test_what_stops_a_process_is_told_in_its_own_words(task, tmp_path):
    gone = replace(task, model=replace(task.model, path="no/such/model"))
    (tmp_path / ARGUMENTS).write_bytes(pickle.dumps((gone, tmp_path / "adapter")))
    with pytest.raises(SystemExit):
        _work(tmp_path)
    with pytest.raises(UsageError, match="no/such/model"):
        _require_success(tmp_path, 1)


def test_a_process_that_dies_is_told(tmp_path):
    _require_success(tmp_path, 0)
    with pytest.raises(ForageError, match=r"killed or crashed \(exit code -9"):
        _require_success(tmp_path, -9)


def test_lines_are_told_once_and_whole(tmp_path):
    lines = _lines(tmp_path / "said")
    assert next(lines) is None
    (tmp_path / "said").write_text('"one"\n"tw')
    assert [next(lines), next(lines)] == ['"one"', None]
    (tmp_path / "said").write_text('"one"\n"two"\n')
    assert [next(lines), next(lines)] == ['"two"', None]


def test_gpus_are_launched_by_accelerate_with_the_file_of_the_config(tmp_path):
    alone = _command(TWO, True, tmp_path)
    assert alone[:5] == [sys.executable, "-m", "accelerate.commands.launch", "--config_file",
                         str(tmp_path / "accelerate.json")]  # fmt: skip
    given = replace(TWO, launch="configs/accelerate/fsdp.yaml")
    command = _command(given, True, tmp_path)
    assert command[4] == "configs/accelerate/fsdp.yaml" and "--num_processes" in command
