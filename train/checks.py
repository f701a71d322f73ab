"""Early and clear: what cannot be trained."""

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from sample.config import need
from sample.doctor import EXTRAS
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.problems import Problem
from sample.prompts import conversation
from train.config import TrainConfig


def on_gpu(model: TransformersModel) -> bool:
    """Whether it is trained on GPUs."""
    import torch

    return torch.cuda.is_available() and model.device != "cpu"


def check_hardware(config: TrainConfig, model: TransformersModel) -> None:
    """
    Raises:
        UsageError: what this machine or its packages cannot do.
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
    if config.vllm is not None:
        extra = "vllm" if config.vllm.mode == "colocate" else "openai"
        for package in EXTRAS[extra]:
            _require_package(package, "train.vllm", extra)


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
