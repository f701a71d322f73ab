import importlib.util
from dataclasses import replace
from shutil import copytree

import pytest

from sample.config import ArmConfig, ProblemConfig, SampleConfig, System
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.runfolder import RunFolder
from train.config import TrainConfig
from train.method_config import HistoryConfig, MethodConfig
from train.stage import _bars, _lines, check_training, trained_systems, untrained

MODEL = TransformersModel("models/anchored")
SAMPLE = SampleConfig(
    models={"small": MODEL, "large": TransformersModel("elsewhere")},
    problems={"countdown": ProblemConfig("countdown")},
    arms={"parallel": ArmConfig("parallel")},
)
TRAIN = TrainConfig({"diverse": MethodConfig()}, model="small", seeds=(0, 1))


@pytest.fixture
def folder(tmp_path):
    """A run of which the second adapter is finished."""
    folder = RunFolder(tmp_path)
    for name in TRAIN.adapters:
        folder.adapter(name).mkdir(parents=True)
    (folder.adapter("diverse-s1") / "done.json").write_text("{}")
    return folder


def test_an_adapter_is_a_system_once_it_is_finished(folder):
    assert untrained(folder, TRAIN) == ["diverse-s0"]
    path = str(folder.adapter("diverse-s1"))
    assert trained_systems(folder, TRAIN, SAMPLE) == [System("diverse-s1", "small", MODEL, path)]


def test_a_template_that_keeps_thinking_is_said_once_before_anything_is_made(
    folder, tokenizer, model_folder, tmp_path, capsys
):
    """And one that drops earlier answers, or none at all, is refused there."""
    template = tmp_path / "model" / "chat_template.jinja"

    def check(text):
        copytree(model_folder, tmp_path / "model", dirs_exist_ok=True)
        template.unlink(missing_ok=True)
        if text:
            template.write_text(text)
        model = {"small": TransformersModel(str(tmp_path / "model"))}
        check_training(folder, TRAIN, replace(SAMPLE, models=model))
        return capsys.readouterr().err

    assert not check(tokenizer.chat_template)
    assert (
        check("{% for m in messages %}{{ m.content }}{% endfor %}").count("keeps the thinking") == 1
    )
    with pytest.raises(UsageError, match="drops earlier answers"):
        check("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")
    with pytest.raises(UsageError, match="no chat template"):
        check(None)


def test_what_cannot_be_trained_is_refused_only_while_something_is_missing(folder, monkeypatch):
    uneven = replace(SAMPLE, problems={name: ProblemConfig(name) for name in "abc"})
    with pytest.raises(UsageError, match="a multiple of the 3 problem families"):
        check_training(folder, TRAIN, uneven)
    held_out = {name: ProblemConfig(f"{name}.jsonl", source="file") for name in "ab"}
    check_training(folder, TRAIN, replace(SAMPLE, problems={**SAMPLE.problems, **held_out}))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"needs the package accelerate: pip install .*\[train\]"):
        check_training(folder, TRAIN, SAMPLE)
    (folder.adapter("diverse-s0") / "done.json").write_text("{}")
    check_training(folder, TRAIN, SAMPLE)


def test_drawing_before_rejection_sampling_has_a_bar_of_its_own(folder):
    methods = {"diverse": MethodConfig(), "sft": MethodConfig(algorithm="sft", set={"steps": 7})}
    bars = _bars(folder, replace(TRAIN, methods=methods, seeds=(0,)), ["diverse-s0", "sft-s0"])
    assert {name: steps for name, (_, steps) in bars.items()} == {
        "diverse-s0": 50, "sft-s0, drawn": 7, "sft-s0": 7
    }  # fmt: skip
    path, _ = bars["sft-s0, drawn"]
    assert _lines(path) is None
    path.parent.mkdir(parents=True)
    path.write_text("{}\n{}\n{")
    assert _lines(path) == 2


def test_the_run_that_a_finished_adapter_learned_from_may_be_gone(folder, model_folder):
    gone = MethodConfig(HistoryConfig(replay="gone"), algorithm="sft")
    config = replace(TRAIN, methods={**TRAIN.methods, "paid": gone}, seeds=(1,))
    sample = replace(SAMPLE, models={"small": TransformersModel(str(model_folder))})
    with pytest.raises(UsageError, match="gone"):
        check_training(folder, config, sample)
    folder.adapter("paid-s1").mkdir(parents=True)
    (folder.adapter("paid-s1") / "done.json").write_text("{}")
    (folder.adapter("diverse-s1") / "done.json").unlink()
    check_training(folder, config, sample)
