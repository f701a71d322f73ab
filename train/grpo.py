"""History-conditioned GRPO: one LoRA adapter, by the stock trainer of TRL."""

import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PrinterCallback

from sample.config import ProblemConfig, need, plain
from sample.engines.base import Decoding
from sample.engines.chat import Chat
from sample.engines.loading import load_model, load_tokenizer
from sample.errors import UsageError
from sample.families import held_out_keys, is_held_out, load_problems
from sample.models import TransformersModel
from sample.runfolder import IDLE_TRAINING, write_json
from train.adapters import save_adapter, whole_weights
from train.checks import (
    Watch,
    check_problems,
    check_processes,
    check_settings,
    check_template,
    on_gpu,
)
from train.config import DONE, TrainConfig, rows_per_pass
from train.dataset import Plan, dataset
from train.histories import HistoryBank, Share
from train.metrics import MetricsLog, reward_function
from train.rollouts import Rollouts
from train.samplers import LiveSampler, Sampler
from train.trackers import add_trackers

SETTINGS = "training.json"
CHECKPOINTS = "checkpoints"


def train_adapter(
    model: TransformersModel,
    problems: Mapping[str, ProblemConfig],
    decoding: Decoding,
    attempts: int,
    config: TrainConfig,
    method: str,
    seed: int,
    folder: Path,
    run_seed: int,
) -> None:
    """Train one LoRA adapter into ``folder``, a PEFT folder; nothing to do if it is done.

    A killed run goes on from its last checkpoint to the same adapter, on CPU bit for bit.
    problems: the families, whose train splits are used, evaluation sets left out; attempts: N,
    histories hold up to N - 1.
    Beside the adapter: metrics.jsonl, training.json (the settings), done.json, and tensorboard/
    where it is a tracker.

    Raises:
        UsageError: settings that cannot be trained, or a folder begun under other settings.
        ForageError: the loss is not finite any more.
    """
    need(method in config.methods, "train.methods", f"one of {', '.join(config.methods)}", method)
    trained = _trained(problems)
    check_settings(config, list(trained), model, decoding)
    settings = _settings(model, trained, decoding, attempts, config, method, seed, run_seed)
    _claim(folder, settings)
    if (folder / DONE).exists():
        return
    check_processes(on_gpu(model))
    plan = training_plan(problems, attempts, config, method, seed, run_seed)
    sampler = _sampler(model, decoding, config, folder)
    try:
        trainer = _trainer(model, decoding, config, method, plan, sampler, folder)
        resume = last_checkpoint(folder / CHECKPOINTS)
        add_trackers(trainer, config.trackers, folder, resume)
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        _finish(trainer, folder, settings)
    finally:
        sampler.close()


def _settings(
    model: TransformersModel,
    problems: Mapping[str, ProblemConfig],
    decoding: Decoding,
    attempts: int,
    config: TrainConfig,
    method: str,
    seed: int,
    run_seed: int,
) -> dict[str, Any]:
    """All that the adapter depends on, and nothing that only says where and how fast."""
    left_out = ("methods", "seeds", *IDLE_TRAINING)
    # Absent where it is not used, so that adapters begun before there was one stay the same.
    train = {k: v for k, v in plain(config).items() if k not in left_out and v is not None}
    families = {name: plain(family) for name, family in problems.items()}
    for family in families.values():
        for key in ("split", "count", "seed"):
            del family[key]
    return {
        "model": {"path": model.path, "dtype": model.dtype,
                  "chat_template": dict(model.chat_template)},
        "problems": families,
        "decoding": plain(decoding),
        "attempts": attempts,
        "train": train,
        "method": {"name": method, **plain(config.methods[method])},
        "seed": seed,
        "run_seed": run_seed,
    }  # fmt: skip


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings into a new folder; refuse one that was begun under others."""
    path = folder / SETTINGS
    if path.exists():
        begun = json.loads(path.read_text())
        differing = [key for key in settings if begun.get(key) != settings[key]]
        if differing:
            raise UsageError(
                f"train: {folder} was begun with another {', '.join(differing)}; "
                "give another run name, or delete the folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def _trained(problems: Mapping[str, ProblemConfig]) -> dict[str, ProblemConfig]:
    return {name: family for name, family in problems.items() if not is_held_out(family)}


def training_plan(
    problems: Mapping[str, ProblemConfig],
    attempts: int,
    config: TrainConfig,
    method: str,
    seed: int,
    run_seed: int,
) -> Plan:
    """The plan over the train splits of ``problems``, without anything in an evaluation set.

    Raises:
        UsageError: a family has too few problems.
    """
    trained, without = _trained(problems), held_out_keys(problems)
    used = -(-config.steps * config.groups // len(trained))
    count = min(config.problem_count, used)
    families = {
        name: load_problems(
            name, replace(family, split="train", count=count, seed=config.problem_seed), without
        )
        for name, family in trained.items()
    }
    check_problems(families)
    depths = attempts if config.methods[method].histories else 1
    return Plan(families, config.groups, depths, (run_seed, "train", method, seed))


def _trainer(
    model: TransformersModel,
    decoding: Decoding,
    config: TrainConfig,
    method: str,
    plan: Plan,
    sampler: Sampler,
    folder: Path,
) -> Any:
    from accelerate import PartialState
    from trl.trainer.grpo_trainer import GRPOTrainer

    from train.shared_prompts import SharedPromptTrainer

    share = Share(PartialState().process_index, PartialState().num_processes)
    tokenizer = load_tokenizer(model.path)
    check_template(tokenizer, model.chat_template)
    base = _base(model, config)
    arguments = _arguments(config, decoding, model, base, plan, share, folder / CHECKPOINTS)
    alone = share.count == 1 and not arguments.gradient_checkpointing
    kind = SharedPromptTrainer if alone else GRPOTrainer
    bank = HistoryBank(plan, decoding, model, config.refresh, config.steps, share, sampler)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer: Any = kind(
            model=base,
            args=arguments,
            processing_class=tokenizer,
            train_dataset=dataset(plan, config.steps),
            reward_funcs=reward_function(config.methods[method], config.group_size, share.count),
            rollout_func=Rollouts(plan, bank, decoding, model, config.group_size, sampler),
            callbacks=[bank, MetricsLog(folder / "metrics.jsonl"), Watch()],
            peft_config=_lora(config),
        )
    trainer.remove_callback(PrinterCallback)
    for weight in trainer.model.parameters():
        if weight.requires_grad:
            # TRL rounds the adapter of a 4-bit model to bfloat16, where small updates are lost.
            weight.data = weight.data.float()
    sampler.attach(trainer)
    return trainer


def _sampler(
    model: TransformersModel, decoding: Decoding, config: TrainConfig, folder: Path
) -> Sampler:
    if config.vllm is None:
        return LiveSampler(model)
    from train.vllm_sampler import vllm_sampler

    chat = Chat(load_tokenizer(model.path), model.chat_template)
    return vllm_sampler(config.vllm, model, chat, decoding, folder / "live")


def _base(model: TransformersModel, config: TrainConfig) -> PreTrainedModel:
    if config.quantize is None:
        return load_model(model.path, model.dtype, "cpu")
    from accelerate import PartialState

    return load_model(model.path, model.dtype, str(PartialState().device), four_bits=True)


def _lora(config: TrainConfig) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules="all-linear",
    )


def _arguments(
    config: TrainConfig,
    decoding: Decoding,
    model: TransformersModel,
    base: PreTrainedModel,
    plan: Plan,
    share: Share,
    folder: Path,
) -> Any:
    from trl.trainer.grpo_config import GRPOConfig

    gpu = on_gpu(model)
    need(gpu or model.device != "cuda", "device", "auto or cpu, as there is no GPU", model.device)
    rows, checkpointing = rows_per_pass(config, share.count), config.hardware.checkpointing
    return GRPOConfig(
        output_dir=str(folder),
        seed=plan.seed("trainer") % 2**32,
        max_steps=config.steps,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=config.groups * config.group_size // (rows * share.count),
        num_generations=config.group_size,
        max_completion_length=decoding.max_new_tokens,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        shuffle_dataset=False,
        learning_rate=config.learning_rate,
        # At a constant rate the noise of the last steps stays in the adapter and costs coverage.
        lr_scheduler_type="linear",
        beta=config.kl,
        loss_type=config.loss,
        scale_rewards=config.scale_rewards,
        # The engine samples without dropout, so the loss must be of the same policy.
        disable_dropout=True,
        use_cpu=not gpu,
        bf16=gpu and base.dtype == torch.bfloat16,
        gradient_checkpointing=gpu if checkpointing is None else checkpointing,
        # Of what another program draws; its default leaves out whole long attempts.
        vllm_importance_sampling_mode="token_truncate",
        save_strategy="steps",
        save_steps=config.refresh,
        save_total_limit=1,
        logging_steps=1,
        # Else the trainer replaces a loss that is not a number by the mean of the last ones.
        logging_nan_inf_filter=False,
        # TensorBoard is told by a callback of ours, which a resumed run needs.
        report_to=[name for name in config.trackers if name != "tensorboard"] or "none",
        disable_tqdm=True,
    )


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
