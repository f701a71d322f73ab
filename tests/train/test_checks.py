import importlib.util
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sample.engines.base import Decoding
from sample.errors import ForageError, UsageError
from sample.models import TransformersModel
from sample.problems import Problem
from train.checks import (
    PATIENCE,
    Watch,
    check_hardware,
    check_problems,
    check_template,
    likely_cause,
)
from train.config import MethodConfig, RewardConfig, TrainConfig
from train.hardware import HardwareConfig, VllmSampling
from train.settings import check_parts, check_settings

CONFIG = TrainConfig(methods={"history": MethodConfig()})
EMBEDDED = RewardConfig(novelty=1.0, measure="embedding")
MODEL = TransformersModel("tiny")
SOUND = {"reward": 0.1, "loss": 0.1, "grad_norm": 1.0, "frac_reward_zero_std": 0.2}
FLAT = SOUND | {"frac_reward_zero_std": 1.0, "accuracy": 0.0, "valid": 0.9}


@pytest.mark.parametrize(
    ("families", "model", "decoding", "named"),
    [
        ([], MODEL, Decoding(), "sample.problems"),
        (["a", "b", "c"], MODEL, Decoding(), "multiple of the 3 problem families"),
        (["a"], MODEL, Decoding(temperature=0.0), "temperature"),
        (["a"], TransformersModel("tiny", device="cuda:1"), Decoding(), "device"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(families, model, decoding, named):
    with pytest.raises(UsageError, match=named):
        check_settings(CONFIG, families, model, decoding)


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


@pytest.mark.parametrize("key", ["loss", "grad_norm"])
def test_a_loss_that_is_not_finite_stops_the_run(key, tmp_path):
    state = SimpleNamespace(global_step=3)
    watch = Watch(tmp_path)
    watch.on_log(None, state, None, logs=SOUND)
    watch.on_log(None, state, None, logs={"train_runtime": 1.0})
    bad = SOUND | {key: float("nan"), "learning_rate": 0.01}
    with pytest.raises(ForageError, match=r"step 3: .*no checkpoint yet.*learning_rate.*0\.01"):
        watch.on_log(None, state, None, logs=bad)
    for step in (5, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    with pytest.raises(ForageError, match="checkpoint-10 is sound"):
        watch.on_log(None, state, None, logs=bad)


def test_a_first_step_that_is_all_wrong_or_all_correct_is_said_at_once(tmp_path):
    for accuracy, named in ((0.0, "take easier"), (1.0, "take harder")):
        watch, state = Watch(tmp_path), SimpleNamespace(global_step=1)
        with pytest.warns(UserWarning, match=f"the first step .*{named}") as said:
            for _ in range(PATIENCE + 1):
                watch.on_log(None, state, None, logs=FLAT | {"accuracy": accuracy})
        assert len(said) == 1


def test_equal_rewards_are_said_once_and_only_after_a_while(tmp_path):
    watch, state = Watch(tmp_path), SimpleNamespace(global_step=1)
    alike = FLAT | {"accuracy": 0.5}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for logs in [alike] * (PATIENCE - 1) + [SOUND] + [alike] * (PATIENCE - 1):
            watch.on_log(None, state, None, logs=logs)
    with pytest.warns(UserWarning, match="a group are alike") as said:
        for _ in range(PATIENCE):
            watch.on_log(None, state, None, logs=alike)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("accuracy", "valid", "named"),
    [(0, 0, "well-formed"), (0, 1, "easier"), (1, 1, "harder"), (0.5, 1, "temperature")],
)
def test_the_likely_cause_of_equal_rewards(accuracy, valid, named):
    assert named in likely_cause([{"accuracy": accuracy, "valid": valid}])


def vllm(**settings):
    return replace(CONFIG, vllm=VllmSampling(**settings))


@pytest.mark.parametrize(
    ("config", "decoding", "says"),
    [
        (replace(CONFIG, quantize="4bit"), Decoding(), "train.quantize: expected none without"),
        (replace(CONFIG, trackers=("wandb",)), Decoding(), r"pip install '.*\[wandb\]'"),
        (vllm(), Decoding(), r"needs the package vllm: pip install '.*\[vllm\]'"),
        (vllm(mode="server", urls=("http://a/v1",)), Decoding(top_p=0.9), "decoding.top_p"),
        (vllm(mode="server", urls=("http://a/v1",)), Decoding(top_k=20), "decoding.top_k"),
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
