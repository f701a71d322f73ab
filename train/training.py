"""What one adapter is trained from, and what every trainer takes of it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sample.config import need
from sample.engines.base import Decoding
from sample.engines.loading import load_model, load_tokenizer
from sample.models import TransformersModel
from train.checks import check_template, on_gpu
from train.config import CHECKPOINTS, TrainConfig, rows_per_pass
from train.dataset import Plan
from train.histories import HistoryBank, Share
from train.method_config import MethodConfig
from train.replay import Replay
from train.samplers import Sampler


@dataclass(frozen=True)
class Training:
    """config: of the method alone, see ``TrainConfig.of``. name: of the method. folder: of the
    adapter. attempts: N, of a chain. replay: see ``train.replay.replay_of``. start: folder of the
    adapter that it goes on from."""

    model: TransformersModel
    decoding: Decoding
    attempts: int
    config: TrainConfig
    name: str
    plan: Plan
    sampler: Sampler
    folder: Path
    replay: Replay | None = None
    start: Path | None = None

    @property
    def method(self) -> MethodConfig:
        return self.config.methods[self.name]

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def share(self) -> Share:
        """Of this process."""
        state = PartialState()
        return Share(state.process_index, state.num_processes)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """
        Raises:
            UsageError: it has no chat template to train with.
        """
        tokenizer = load_tokenizer(self.model.path)
        check_template(tokenizer, self.model.chat_template)
        return tokenizer

    def bank(self) -> HistoryBank:
        refresh, steps = self.config.refresh, self.config.steps
        return HistoryBank(
            self.plan, self.decoding, self.sampler, refresh, steps, self.share, self.replay
        )


def base_of(training: Training) -> PreTrainedModel:
    """The model that the adapter is put on."""
    model, config = training.model, training.config
    if config.quantize is None:
        return load_model(model.path, model.dtype, "cpu")
    return load_model(model.path, model.dtype, str(PartialState().device), four_bits=True)


def lora_of(config: TrainConfig) -> Any:
    """The shape of the adapter."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules="all-linear",
    )


def arguments_of(training: Training, base: PreTrainedModel) -> Any:
    """The settings of TRL's GRPO trainer, of which others take a part. base: see ``base_of``.

    Raises:
        UsageError: a GPU is asked for and there is none, or groups that cannot be dealt out.
    """
    from trl.trainer.grpo_config import GRPOConfig

    model, config, decoding = training.model, training.config, training.decoding
    gpu, share = on_gpu(model), training.share
    need(gpu or model.device != "cuda", "device", "auto or cpu, as there is no GPU", model.device)
    rows, checkpointing = rows_per_pass(config, share.count), config.hardware.checkpointing
    return GRPOConfig(
        output_dir=str(training.checkpoints),
        seed=training.plan.seed("trainer") % 2**32,
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


def keep_32_bits(model: Any) -> None:
    """TRL rounds the adapter of a 4-bit model to bfloat16, where small updates are lost."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
