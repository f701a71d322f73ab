from dataclasses import replace

import pytest

from sample.config import parse
from sample.errors import UsageError
from train.config import TrainConfig, rows_per_pass
from train.hardware import HardwareConfig, VllmSampling
from train.method_config import HistoryConfig, MethodConfig, RewardConfig

CONFIG = TrainConfig(methods={"history": MethodConfig()})


def rewarded(histories=True, **reward):
    return MethodConfig(histories, {"toy": RewardConfig(**reward)})


@pytest.mark.parametrize(
    "changes",
    [
        {"methods": {}},
        {"seeds": ()},
        {"seeds": (1, 1)},
        {"lora_rank": 12},
        {"group_size": 1},
        {"batch": 0},
        {"trackers": ("mlflow",)},
        {"groups": 6, "hardware": HardwareConfig(processes=4)},
        {"hardware": HardwareConfig(launch="configs/accelerate/fsdp.yaml")},
        {"vllm": VllmSampling(urls=("http://127.0.0.1:8000/v1",))},
        {"vllm": VllmSampling("server")},
        {"vllm": VllmSampling("server", ("http://a/v1",), arguments={"max_model_len": 1})},
        {"vllm": VllmSampling(name="served")},
        {"vllm": VllmSampling(memory=1.5)},
        {"vllm": VllmSampling(arguments={"gpu_memory_utilization": 0.5})},
        {"learning_rate": 0.0},
        {"kl": -1.0},
        {"steps": 0},
        {"loss": "grpo"},
        {"scale_rewards": "std"},
        {"methods": {"m": rewarded(novelty=-1.0)}},
        {"methods": {"m": rewarded(quality="all")}},
        {"methods": {"m": rewarded(False, novelty=1.0)}},
        {"methods": {"m": rewarded(False, quality="marginal")}},
        {"methods": {"m": rewarded(gate="wrong")}},
        {"methods": {"m": rewarded(novelty=1.0, gate="open")}},
        {"methods": {"m": rewarded(measure="exact")}},
        {"methods": {"m": rewarded(novelty=1.0, measure="cosine")}},
        {"methods": {"m": rewarded(False, novelty=1.0, measure="embedding")}},
        {"encoder": "models/anchored"},
        {"methods": {"m": rewarded(novelty=1.0)}, "encoder": "models/anchored"},
        {"methods": {"m": rewarded(k=2)}},
        {"methods": {"m": rewarded(quality="coverage", k=9)}},
        {"methods": {"m": rewarded(unlikely=1.5)}},
        {"methods": {"m": rewarded(False, repetition=0.5)}},
        {"methods": {"m": rewarded(length=-0.1)}},
        {"entropy": -0.1},
        {"methods": {"m": MethodConfig(families=())}},
        {"methods": {"m": MethodConfig(algorithm="ppo")}},
        {"methods": {"m": MethodConfig(HistoryConfig(depths=(1.0,)))}},
        {"methods": {"m": MethodConfig(HistoryConfig(solved=2.0))}},
        {"methods": {"m": MethodConfig(HistoryConfig(base=0.5, replay="runs/a"))}},
        {"methods": {"m": MethodConfig(HistoryConfig(anchor=1.0))}, "entropy": 0.1},
        {"methods": {"m": MethodConfig(HistoryConfig(anchor=1.0))}, "scale_rewards": "batch"},
        {"methods": {"m": MethodConfig(set={"seeds": [1]})}},
        {"methods": {"m": MethodConfig(set={"kl": -1})}},
        {"methods": {"m": MethodConfig(set={"learning_rate": "fast"})}},
        {"methods": {"m": MethodConfig(algorithm="sft", set={"kl": 0.1})}},
        {"methods": {"m": MethodConfig(True, {"toy": RewardConfig()}, "sft")}},
        {"methods": {"m": MethodConfig(algorithm="sft")}, "kl": 0.1},
    ],
)
def test_bad_values_are_refused_with_the_key(changes):
    with pytest.raises(UsageError, match=r"train\."):
        replace(CONFIG, **changes)


def test_the_section_of_the_study_config_parses():
    methods = {
        "single": {"histories": False},
        "history": {"histories": True},
        "diverse": {"rewards": {"toy": {"quality": "coverage", "novelty": 1.0}}},
    }
    config = parse(TrainConfig, {"methods": methods, "seeds": [0, 1, 2], "steps": 50}, "train")
    assert config.methods["diverse"].reward("toy") == RewardConfig("coverage", 1.0, "solved")
    assert config.methods["diverse"].reward("other") == RewardConfig()
    assert not config.methods["single"].histories


def test_a_method_has_its_own_settings_and_leaves_the_others_alone():
    methods = {"plain": {}, "anchored": {"set": {"kl": 0.1, "learning_rate": "5e-4"}}}
    config = parse(TrainConfig, {"methods": methods, "steps": 7}, "train")
    own = config.of("anchored")
    assert (own.kl, own.learning_rate, own.steps) == (0.1, 5e-4, 7)
    assert config.of("plain") == config and config.kl == 0


def test_the_encoder_is_of_the_methods_that_embed():
    embedding = {"rewards": {"toy": {"novelty": 1, "measure": "embedding"}}}
    methods = {"plain": {"set": {"kl": 0.1}}, "embedding": {**embedding, "set": {"kl": 0.1}}}
    config = parse(TrainConfig, {"methods": methods, "encoder": "bert"}, "train")
    assert (config.of("plain").encoder, config.of("embedding").encoder) == (None, "bert")
    assert config.methods["embedding"].embedded == ("toy",)
    assert config.methods["plain"].embedded == ()


def test_histories_are_a_switch_or_a_mapping():
    given = {"a": {"histories": False}, "b": {"histories": {"depths": [0, 1], "solved": 0.5}}}
    config = parse(TrainConfig, {"methods": given}, "train")
    assert config.methods["a"].history is None
    assert config.methods["b"].history == HistoryConfig((0.0, 1.0), solved=0.5)
    with pytest.raises(UsageError, match="did you mean 'depths'"):
        parse(TrainConfig, {"methods": {"m": {"histories": {"depth": [1]}}}}, "train")


@pytest.mark.parametrize(
    ("groups", "size", "batch", "processes"),
    [(32, 8, 256, 1), (32, 8, 64, 8), (12, 4, 20, 2), (3, 8, 8, 1), (16, 8, 1, 8), (8, 8, 6, 2)],
)
def test_passes_cover_a_step_and_processes_hold_whole_groups(groups, size, batch, processes):
    config = replace(CONFIG, groups=groups, group_size=size, batch=batch)
    rows = rows_per_pass(config, processes)
    assert 1 <= rows <= batch
    share = groups * size // processes
    assert share % rows == 0 and share % size == 0


def test_groups_that_would_be_split_over_processes_are_refused():
    with pytest.raises(UsageError, match="multiple of the 5 processes"):
        rows_per_pass(CONFIG, 5)
