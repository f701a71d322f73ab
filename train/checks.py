"""Early and clear: what cannot be trained, and what goes wrong while it is."""

import importlib.util
import math
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, TrainerCallback

from sample.config import need
from sample.engines.base import Decoding
from sample.errors import ForageError, UsageError
from sample.models import TransformersModel
from sample.problems import Problem
from sample.prompts import conversation
from train.config import TrainConfig
from train.hardware import VllmSampling

PATIENCE = 10
"""Steps without any difference between the rewards of a group before that is said; one is enough
where all attempts are correct, or none is."""


def check_settings(
    config: TrainConfig, families: Sequence[str], model: TransformersModel, decoding: Decoding
) -> None:
    """
    Raises:
        UsageError: no family, groups that do not divide evenly, no sampling, or an odd device.
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
        _check_vllm(config.vllm, decoding)
        for name, method in config.methods.items():
            where = f"train.methods.{name}"
            own = "grpo where vLLM samples for training"
            need(method.algorithm == "grpo", f"{where}.algorithm", own, method.algorithm)
            share = method.history.base if method.history else 0
            adapted = "0 where vLLM samples for training: it has the adapter alone"
            need(share == 0, f"{where}.histories.base", adapted, share)


def _check_vllm(settings: VllmSampling, decoding: Decoding) -> None:
    if settings.mode == "colocate":
        _require_package("vllm", "train.vllm", "vllm")
    else:
        _require_package("openai", "train.vllm", "openai")
    # vLLM's log-probabilities are of the tokens that are left, the trainer's of all.
    whole = "1 where vLLM samples for training"
    need(decoding.top_p == 1, "sample.decoding.top_p", whole, decoding.top_p)
    off = "0 (off) where vLLM samples for training"
    need(decoding.top_k == 0, "sample.decoding.top_k", off, decoding.top_k)
    need(decoding.min_p == 0, "sample.decoding.min_p", off, decoding.min_p)


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


class Watch(TrainerCallback):
    """Stops a run whose loss is not a number; says so if the rewards teach nothing.

    checkpoints: the folder that holds them.
    """

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints
        self._recent: deque[dict[str, float]] = deque(maxlen=PATIENCE)
        self._said = False

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """
        Raises:
            ForageError: the loss or its gradient is not finite.
        """
        if "reward" not in logs:
            return
        if not all(math.isfinite(logs.get(key) or 0.0) for key in ("loss", "grad_norm")):
            raise ForageError(self._diverged(state.global_step, logs.get("learning_rate")))
        self._recent.append(logs)
        flat = all(step["frac_reward_zero_std"] == 1.0 for step in self._recent)
        first = len(self._recent) == 1 and logs.get("accuracy") in (0, 1)
        if flat and (first or len(self._recent) == PATIENCE) and not self._said:
            self._said = True
            warnings.warn(likely_cause(list(self._recent)), stacklevel=2)

    def _diverged(self, step: int, rate: float | None) -> str:
        saved = sorted(self._checkpoints.glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
        sound = f"{saved[-1]} is sound, a PEFT folder" if saved else "there is no checkpoint yet"
        return (
            f"train: step {step}: the loss or its gradient is not finite; {sound}; train again "
            f"under another run name with a lower train.learning_rate (at this step: {rate}), or "
            "with dtype: float32 for the model"
        )


def likely_cause(steps: Sequence[Mapping[str, float]]) -> str:
    """Why the rewards within every group were equal. steps: accuracy and valid of each."""
    mean = {key: sum(step[key] for step in steps) / len(steps) for key in ("accuracy", "valid")}
    if mean["valid"] < 0.05:
        cause = "hardly any answer is well-formed: raise max_new_tokens or check the questions"
    elif mean["accuracy"] == 0:
        cause = "no attempt is correct: take easier problems"
    elif mean["accuracy"] == 1:
        cause = "every attempt is correct: take harder problems"
    else:
        cause = "the attempts of a group are alike: raise the temperature or group_size"
    count = "the first step" if len(steps) == 1 else f"{len(steps)} steps"
    return f"train: {count} without a difference of reward in any group; {cause}"
