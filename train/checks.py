"""Early and clear: what cannot be trained."""

import importlib.util
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from sample.config import need
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.problems import Problem
from sample.prompts import conversation
from train.config import MethodConfig, TrainConfig
from train.hardware import VllmSampling


def check_settings(
    config: TrainConfig, families: Sequence[str], model: TransformersModel, decoding: Decoding
) -> None:
    """
    Raises:
        UsageError: no family, groups that do not divide evenly, an odd device, or a decoding that
            cannot be learned from.
    """
    need(bool(families), "sample.problems", "at least one problem set to train on", "none")
    count = len(families)
    need(
        config.groups % count == 0,
        "train.groups",
        f"a multiple of the {count} problem families ({', '.join(families)})",
        config.groups,
    )
    need(
        decoding.temperature > 0,
        "sample.decoding.temperature",
        "above 0 for training: the attempts of a group must differ",
        decoding.temperature,
    )
    if any(method.algorithm == "grpo" for method in config.methods.values()):
        # The loss is of the distribution over all tokens.
        whole, off = "1 for training by grpo", "0 (off) for training by grpo"
        need(decoding.top_p == 1, "sample.decoding.top_p", whole, decoding.top_p)
        need(decoding.top_k == 0, "sample.decoding.top_k", off, decoding.top_k)
    devices = ("auto", "cpu", "cuda")
    device = model.device
    need(device in devices, "device", f"one of {', '.join(devices)} for training", device)


def on_gpu(model: TransformersModel) -> bool:
    """Whether it is trained on GPUs."""
    import torch

    return torch.cuda.is_available() and model.device != "cpu"


def check_hardware(config: TrainConfig, model: TransformersModel, decoding: Decoding) -> None:
    """
    Raises:
        UsageError: what this machine, its packages or the launch cannot do.
    """
    import torch

    hardware, gpu = config.hardware, on_gpu(model)
    here = torch.cuda.device_count() if gpu else 0
    fits = not gpu or hardware.processes <= here
    need(fits, "train.hardware.processes", f"at most the {here} GPUs here", hardware.processes)
    need(gpu or hardware.launch is None, "train.hardware.launch", "GPUs for it", "none here")
    if config.quantize is not None:
        need(gpu, "train.quantize", "none without a CUDA GPU", config.quantize)
        _require_package("bitsandbytes", "train.quantize", "qlora")
    if "wandb" in config.trackers:
        _require_package("wandb", "train.trackers", "wandb")
    if hardware.shards:
        vllm = "train.vllm beside a launch that shards the weights, to sample from whole ones"
        need(config.vllm is not None, "train.vllm", vllm, "none")
        need(config.quantize is None, "train.quantize", "none under FSDP", config.quantize)
        own = config.encoder or not any(method.embedded for method in config.methods.values())
        encoder = "a model of its own beside a launch that shards the weights"
        need(bool(own), "train.encoder", encoder, config.encoder)
    if config.vllm is not None:
        _check_vllm(config.vllm, config.methods.values(), decoding)
        for name, method in config.methods.items():
            where = f"train.methods.{name}"
            own = "grpo where vLLM samples for training"
            need(method.algorithm == "grpo", f"{where}.algorithm", own, method.algorithm)
            share = method.history.base if method.history else 0
            adapted = "0 where vLLM samples for training: it has the adapter alone"
            need(share == 0, f"{where}.histories.base", adapted, share)


def _check_vllm(
    settings: VllmSampling, methods: Iterable[MethodConfig], decoding: Decoding
) -> None:
    if settings.mode == "colocate":
        _require_package("vllm", "train.vllm", "vllm")
    else:
        _require_package("openai", "train.vllm", "openai")
    if any(reward.unlikely for method in methods for reward in method.rewards.values()):
        # vLLM tells log-probabilities at the temperature of the sampling only.
        one = "1 where vLLM samples for training and a reward has unlikely"
        need(decoding.temperature == 1, "sample.decoding.temperature", one, decoding.temperature)


def _require_package(package: str, key: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UsageError(
            f"{key} needs the package {package}: pip install 'forage-sampling[{extra}]'"
        )


def check_processes(gpu: bool) -> None:
    """Join the other processes of the launch.

    Raises:
        UsageError: several GPUs for one process, which the trainer would use in its own way.
    """
    import torch
    from accelerate import PartialState

    # On a CPU this must be said at the first call, or every process takes itself for the only one.
    state = PartialState(cpu=not gpu)
    if (
        torch.cuda.device_count() > 1
        and state.num_processes == 1
        and str(state.device).startswith("cuda")
    ):
        raise UsageError(
            f"train: one process sees {torch.cuda.device_count()} GPUs; set "
            f"CUDA_VISIBLE_DEVICES=0, or --set train.hardware.processes={torch.cuda.device_count()}"
        )


def check_problems(families: Mapping[str, Sequence[Problem]]) -> None:
    """
    Raises:
        UsageError: a family without training problems, or with one of another split.
    """
    for name, problems in families.items():
        if not problems:
            raise UsageError(f"train: {name} has no training problems; raise train.problem_count")
        held_out = [problem for problem in problems if problem.split != "train"]
        if held_out:
            raise UsageError(
                f"train: {name} holds {len(held_out)} problems of the {held_out[0].split} split; "
                "a problem source must keep to the split that it was asked for"
            )


def check_template(tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any]) -> None:
    """Warn about a template that keeps the thinking of earlier turns.

    Raises:
        UsageError: the template drops earlier answers, so no history would be seen.
    """
    earlier = ["<think>\nprobe-thinking\n</think>\n\nprobe-answer"]
    text = tokenizer.apply_chat_template(
        conversation("question", earlier), tokenize=False, add_generation_prompt=True, **options
    )
    if "probe-answer" not in str(text):
        raise UsageError(
            f"model {tokenizer.name_or_path!r}: its chat template drops earlier answers; "
            "choose a model with a multi-turn template, or methods with histories: false"
        )
    if "probe-thinking" in str(text):
        warnings.warn(
            f"model {tokenizer.name_or_path!r}: its chat template keeps the thinking of earlier "
            "turns; histories hold final answers only, so the adapter learns without it",
            stacklevel=2,
        )
