"""The folder of one adapter, from its settings to the finished weights."""

import json
import shutil
from pathlib import Path
from typing import Any

from accelerate import PartialState

from sample.config import need
from sample.engines.base import Decoding
from sample.engines.chat import Chat
from sample.engines.loading import load_tokenizer
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.provenance import files_hash
from sample.runfolder import write_json
from train.checks import check_processes, on_gpu
from train.config import CHECKPOINTS, DONE, TrainConfig, adapter_name
from train.replay import replay_of
from train.samplers import LiveSampler, Sampler
from train.settings import check_settings
from train.task import Task, settings_of
from train.trackers import add_trackers
from train.training import Training
from train.training_plan import training_plan
from train.weights import WEIGHTS, save_adapter, whole_weights

SETTINGS = "training.json"


def train_adapter(task: Task, folder: Path) -> None:
    """Train one LoRA adapter into ``folder``, a PEFT folder; nothing to do if it is done.

    A killed run goes on from its last checkpoint to the same adapter, on CPU bit for bit.
    The adapter that the method goes on from stands beside ``folder``.
    Beside the adapter: metrics.jsonl, training.json (the settings), done.json, and tensorboard/
    where it is a tracker.

    Raises:
        UsageError: settings that cannot be trained, a folder begun under other settings, or an
            adapter to go on from that is not finished.
        ForageError: the loss is not finite any more.
    """
    methods = task.config.methods
    need(task.method in methods, "train.methods", f"one of {', '.join(methods)}", task.method)
    begin = methods[task.method].start
    start = None if begin is None else folder.with_name(adapter_name(begin, task.seed))
    config = task.own
    check_settings(config, list(task.trained), task.model, task.decoding)
    settings = settings_of(task) | _start_hash(start, task.method)
    check_processes(on_gpu(task.model))
    _claim(folder, settings)
    if (folder / DONE).exists():
        return
    replay = replay_of(task.problems, config, task.method)
    plan = training_plan(task, replay)
    sampler = _sampler(task.model, task.decoding, config, folder)
    training = Training(
        task.model, task.decoding, task.attempts, config, task.method, plan, sampler, folder,
        replay, start,
    )  # fmt: skip
    try:
        trainer = _trainer(training)
        with PartialState().main_process_first():
            resume = last_checkpoint(training.checkpoints)
        add_trackers(trainer, config.trackers, folder, resume)
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        _finish(trainer, folder, settings)
    finally:
        sampler.close()


def _start_hash(start: Path | None, method: str) -> dict[str, str | None]:
    """Absent where there is none, as adapters begun before have no such key.

    Raises:
        UsageError: the adapter to go on from is not finished.
    """
    if start is None:
        return {}
    finished = f"a finished adapter in {start}; train that method first"
    need((start / DONE).exists(), f"train.methods.{method}.start", finished, "none")
    return {"start": files_hash(str(start / WEIGHTS))}


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings into a new folder; refuse one that was begun under others."""
    path = folder / SETTINGS
    if path.exists():
        begun = json.loads(path.read_text())
        keys = [*settings, *(begun.keys() & {"start"} - settings.keys())]
        differing = [key for key in keys if begun.get(key) != settings.get(key)]
        if differing:
            raise UsageError(
                f"train: {folder} was begun with another {', '.join(differing)}; "
                "give another run name, or delete the folder"
            )
    elif PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)


def _trainer(training: Training) -> Any:
    if training.method.algorithm == "sft":
        from train.sft import sft_trainer

        return sft_trainer(training)
    from train.grpo import grpo_trainer

    return grpo_trainer(training)


def _sampler(
    model: TransformersModel, decoding: Decoding, config: TrainConfig, folder: Path
) -> Sampler:
    if config.vllm is None:
        return LiveSampler(model)
    from train.vllm_sampler import vllm_sampler

    chat = Chat(load_tokenizer(model.path), model.chat_template)
    return vllm_sampler(config.vllm, model, chat, decoding, folder / "live")


def last_checkpoint(folder: Path) -> Path | None:
    """The latest whole checkpoint. Torn ones are deleted: they must not push out a whole one."""
    whole: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        try:
            whole[json.loads((path / "trainer_state.json").read_text())["global_step"]] = path
        except (OSError, ValueError):
            # The trainer writes its state last.
            shutil.rmtree(path)
    return whole[max(whole)] if whole else None


def _finish(trainer: Any, folder: Path, settings: dict[str, Any]) -> None:
    adapted = trainer.accelerator.unwrap_model(trainer.model)
    weights = whole_weights(adapted)
    if trainer.is_world_process_zero():
        save_adapter(adapted, weights, folder)
        write_json(folder / DONE, {"steps": settings["train"]["steps"]})
        shutil.rmtree(folder / CHECKPOINTS)
    trainer.accelerator.wait_for_everyone()
