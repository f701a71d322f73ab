"""History-conditioned GRPO: one LoRA adapter, by the stock trainer of TRL."""

import json
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import PreTrainedModel, PrinterCallback

from sample.config import ProblemConfig, need, plain
from sample.engines.base import Decoding
from sample.engines.chat import Chat
from sample.engines.loading import load_model, load_tokenizer
from sample.errors import UsageError
from sample.families import held_out_keys, load_problems
from sample.models import TransformersModel
from sample.provenance import files_hash
from sample.runfolder import IDLE_TRAINING, RunFolder, write_json
from train.adapters import save_adapter, whole_weights
from train.checks import (
    check_problems,
    check_processes,
    check_template,
    on_gpu,
)
from train.config import (
    BASELINES,
    CHECKPOINTS,
    DONE,
    MEASURES,
    HistoryConfig,
    MethodConfig,
    TrainConfig,
    rows_per_pass,
)
from train.dataset import Plan, dataset
from train.embedding import Embedding
from train.families import trainable_families
from train.histories import HistoryBank, Share
from train.metrics import MetricsLog, reward_function
from train.recorded import recorded_lines, recorded_of
from train.replay import Replay, replay_of
from train.rollouts import Rollouts
from train.samplers import LiveSampler, Sampler
from train.settings import check_settings
from train.trackers import add_trackers
from train.watch import FiniteLoss, Watch

SETTINGS = "training.json"


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
    config = config.of(method)
    trained = trainable_families(problems, config, method)
    check_settings(config, list(trained), model, decoding)
    settings = _settings(model, trained, decoding, attempts, config, method, seed, run_seed)
    check_processes(on_gpu(model))
    _claim(folder, settings)
    if (folder / DONE).exists():
        return
    replay = replay_of(problems, config, method)
    plan = training_plan(problems, attempts, config, method, seed, run_seed, replay)
    sampler = _sampler(model, decoding, config, folder)
    kind = _sft_trainer if config.methods[method].algorithm == "sft" else _trainer
    try:
        trainer = kind(model, decoding, config, method, plan, sampler, folder, replay)
        with PartialState().main_process_first():
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
    left_out = ["methods", "seeds", *IDLE_TRAINING]
    if not config.methods[method].embedded:
        left_out.append("encoder")
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
        "method": {"name": method, **_method_settings(config.methods[method])},
        "seed": seed,
        "run_seed": run_seed,
        "replay": _replay_hash(config.methods[method]),
    }  # fmt: skip


def _method_settings(method: MethodConfig) -> dict[str, Any]:
    """Without what came later and has its default, as adapters begun before have no such keys."""
    own = plain(method)
    if own["families"] is None:
        del own["families"]
    if own["baseline"] == BASELINES[0]:
        del own["baseline"]
    if isinstance(own["histories"], dict) and own["histories"]["anchor"] is None:
        del own["histories"]["anchor"]
    for reward in own["rewards"].values():
        if reward["measure"] == MEASURES[0]:
            del reward["measure"]
    return own


def _replay_hash(method: MethodConfig) -> str | None:
    if method.history is None or method.history.replay is None:
        return None
    return files_hash(str(RunFolder(Path(method.history.replay)).attempts))


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
    elif PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)


def training_plan(
    problems: Mapping[str, ProblemConfig],
    attempts: int,
    config: TrainConfig,
    method: str,
    seed: int,
    run_seed: int,
    replay: Replay | None = None,
) -> Plan:
    """The plan over the train splits of ``problems``, without anything in an evaluation set, or
    over the problems of ``replay``.

    Raises:
        UsageError: a family has too few problems.
    """
    history = config.methods[method].history
    depths = attempts if history else 1
    key = (run_seed, "train", method, seed)
    drawn = history or HistoryConfig()
    if replay is not None:
        return Plan(replay.families, config.groups, depths, key, drawn)
    trained = trainable_families(problems, config, method)
    without = held_out_keys(problems)
    used = -(-config.steps * config.groups // len(trained))
    count = min(config.problem_count, used)
    families = {
        name: load_problems(
            name, replace(family, split="train", count=count, seed=config.problem_seed), without
        )
        for name, family in trained.items()
    }
    check_problems(families)
    return Plan(families, config.groups, depths, key, drawn)


def _trainer(
    model: TransformersModel,
    decoding: Decoding,
    config: TrainConfig,
    method: str,
    plan: Plan,
    sampler: Sampler,
    folder: Path,
    replay: Replay | None,
) -> Any:

    from train.groupwise import GroupwiseTrainer
    from train.shared_prompts import SharedPromptTrainer

    share = Share(PartialState().process_index, PartialState().num_processes)
    tokenizer = load_tokenizer(model.path)
    check_template(tokenizer, model.chat_template)
    base = _base(model, config)
    arguments = _arguments(config, decoding, model, base, plan, share, folder / CHECKPOINTS)
    alone = share.count == 1 and not arguments.gradient_checkpointing
    kind = SharedPromptTrainer if alone else GroupwiseTrainer
    bank = HistoryBank(plan, decoding, sampler, config.refresh, config.steps, share, replay)
    chosen = config.methods[method]
    # Not 0 where any group has a KL term.
    arguments.beta = max(config.kl, chosen.anchor or 0.0)
    scored = any(reward.unlikely for reward in chosen.rewards.values())
    embedding = Embedding(chosen.embedded, config.encoder) if chosen.embedded else None
    rollouts = Rollouts(plan, bank, decoding, model, config.group_size, sampler, scored, embedding)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer: Any = kind(
            model=base,
            args=arguments,
            processing_class=tokenizer,
            train_dataset=dataset(plan, config.steps),
            reward_funcs=reward_function(chosen, config.group_size, share.count),
            rollout_func=rollouts,
            callbacks=[
                bank,
                MetricsLog(folder / "metrics.jsonl"),
                FiniteLoss(folder / CHECKPOINTS),
                Watch(folder / CHECKPOINTS),
            ],
            peft_config=_lora(config),
        )
    trainer.anchor, trainer.kl = chosen.anchor, config.kl
    trainer.baseline = chosen.baseline
    trainer.remove_callback(PrinterCallback)
    _keep_32_bits(trainer.model)
    sampler.attach(trainer)
    return trainer


def _keep_32_bits(model: Any) -> None:
    """TRL rounds the adapter of a 4-bit model to bfloat16, where small updates are lost."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def _sft_trainer(
    model: TransformersModel,
    decoding: Decoding,
    config: TrainConfig,
    method: str,
    plan: Plan,
    sampler: Sampler,
    folder: Path,
    replay: Replay | None,
) -> Any:
    from train.sft import sft_trainer

    state = PartialState()
    share = Share(state.process_index, state.num_processes)
    tokenizer = load_tokenizer(model.path)
    check_template(tokenizer, model.chat_template)
    base = _base(model, config)
    arguments = _arguments(config, decoding, model, base, plan, share, folder / CHECKPOINTS)
    if config.vllm is None and config.quantize is None:
        # The attempts are drawn before the trainer moves it there.
        base.to(state.device)  # type: ignore[arg-type]
    bank = HistoryBank(plan, decoding, sampler, config.refresh, config.steps, share, replay)
    rollouts = Rollouts(plan, bank, decoding, model, config.group_size, sampler)
    found = recorded_of(replay, model, config, method)
    chat = Chat(tokenizer, model.chat_template)
    trainer = sft_trainer(
        base, tokenizer, arguments, _lora(config), rollouts, bank, config.methods[method],
        config.batch, [MetricsLog(folder / "metrics.jsonl"), FiniteLoss(folder / CHECKPOINTS)],
        recorded_lines(found, chat, config.steps) if found else None,
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    _keep_32_bits(trainer.model)
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
        min_p=decoding.min_p or None,
        shuffle_dataset=False,
        learning_rate=config.learning_rate,
        # At a constant rate the noise of the last steps stays in the adapter and costs coverage.
        lr_scheduler_type="linear",
        beta=config.kl,
        entropy_coef=config.entropy,
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
