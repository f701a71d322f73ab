import importlib.util
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.problems import Problem
from train.checks import (
    check_hardware,
    check_problems,
    check_template,
)
from train.config import TrainConfig
from train.hardware import HardwareConfig, VllmSampling
from train.method_config import MethodConfig, RewardConfig
from train.settings import check_parts, check_settings

CONFIG = TrainConfig(methods={"history": MethodConfig()})
EMBEDDED = RewardConfig(novelty=1.0, measure="embedding")
MODEL = TransformersModel("tiny")


@pytest.mark.parametrize(
    ("families", "model", "decoding", "named"),
    [
        ([], MODEL, Decoding(), "sample.problems"),
        (["a", "b", "c"], MODEL, Decoding(), "multiple of the 3 problem families"),
        (["a"], MODEL, Decoding(temperature=0.0), "temperature"),
        (["a"], TransformersModel("tiny", device="cuda:1"), Decoding(), "device"),
        (["a"], MODEL, Decoding(top_p=0.9), "decoding.top_p: expected 1 for training by grpo"),
        (["a"], MODEL, Decoding(top_k=20), "decoding.top_k"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(families, model, decoding, named):
    with pytest.raises(UsageError, match=named):
        check_settings(CONFIG, families, model, decoding)


def test_rejection_sampling_may_learn_from_the_likeliest_tokens():
    rejection = replace(CONFIG, methods={"r": MethodConfig(algorithm="sft")})
    check_settings(rejection, ["a"], MODEL, Decoding(top_p=0.9, top_k=20))


def test_problems_of_another_split_and_empty_families_are_refused():
    made = [Problem("f", f"q{i}", "1", "none", f"k{i}") for i in range(40)]
    train = [problem for problem in made if problem.split == "train"]
    check_problems({"f": train})
    with pytest.raises(UsageError, match="split"):
        check_problems({"f": made})
    with pytest.raises(UsageError, match="no training problems"):
        check_problems({"f": []})


def test_templates(tokenizer):
    def say(template):
        changed = SimpleNamespace(
            name_or_path="tiny",
            apply_chat_template=lambda messages, **options: tokenizer.apply_chat_template(
                messages, chat_template=template, **options
            ),
        )
        check_template(changed, {})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        say(tokenizer.chat_template)
    with pytest.warns(UserWarning, match="keeps the thinking"):
        say("{% for m in messages %}{{ m.content }}{% endfor %}")
    with pytest.raises(UsageError, match="drops earlier answers"):
        say("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")


def vllm(**settings):
    return replace(CONFIG, vllm=VllmSampling(**settings))


SERVED = vllm(mode="server", urls=("http://a/v1",))


@pytest.mark.parametrize(
    ("config", "decoding", "says"),
    [
        (replace(CONFIG, quantize="4bit"), Decoding(), "train.quantize: expected none without"),
        (replace(CONFIG, trackers=("wandb",)), Decoding(), r"pip install '.*\[wandb\]'"),
        (vllm(), Decoding(), r"needs the package vllm: pip install '.*\[vllm\]'"),
        (
            replace(SERVED, methods={"m": MethodConfig(rewards={"f": RewardConfig(unlikely=0.5)})}),
            Decoding(temperature=0.6), "decoding.temperature: expected 1 .* unlikely",
        ),
        (
            replace(
                vllm(mode="server", urls=("http://a/v1",)),
                hardware=HardwareConfig(8, "configs/accelerate/fsdp.yaml"),
            ),
            Decoding(), "train.hardware.launch: expected GPUs",
        ),
    ],
)  # fmt: skip
def test_what_this_machine_cannot_do_is_refused_before_sampling(
    config, decoding, says, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda n: None if n in ("vllm", "wandb") else found(n)
    )
    with pytest.raises(UsageError, match=says) as error:
        check_parts(config, decoding)
        check_hardware(config, MODEL)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (replace(CONFIG, hardware=HardwareConfig(4)), "at most the 2 GPUs"),
        (
            replace(CONFIG, hardware=HardwareConfig(2, "configs/accelerate/fsdp.yaml")),
            "beside a launch that shards the weights",
        ),
        (
            replace(
                CONFIG,
                hardware=HardwareConfig(2, "configs/accelerate/fsdp.yaml"),
                vllm=VllmSampling(),
                methods={"m": MethodConfig(rewards={"f": EMBEDDED})},
            ),
            "train.encoder: expected a model of its own",
        ),
    ],
)
def test_what_two_gpus_cannot_do_is_refused(config, says, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    check_hardware(replace(CONFIG, hardware=HardwareConfig(2)), MODEL)
    with pytest.raises(UsageError, match=says):
        check_parts(config, Decoding())
        check_hardware(config, MODEL)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("distributed_type: DEEPSPEED", "rounds LoRA weights"),
        ("distributed_type: FSDP\nfsdp_config: {fsdp_version: 1}", "fsdp_version: 2"),
        ("distributed_type: MEGATRON_LM", "MULTI_GPU or FSDP"),
    ],
)
def test_launches_that_would_round_the_adapter_are_refused(text, says, tmp_path):
    (tmp_path / "launch.yaml").write_text(text)
    with pytest.raises(UsageError, match=says):
        _ = HardwareConfig(2, str(tmp_path / "launch.yaml")).shards
    assert HardwareConfig(2, "configs/accelerate/fsdp.yaml").shards
    assert not HardwareConfig(2).shards
