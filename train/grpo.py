"""History-conditioned GRPO, by the stock trainer of TRL."""

import warnings
from typing import Any

from transformers import PrinterCallback

from train.dataset import dataset
from train.embedding import Embedding
from train.metrics import MetricsLog, reward_function
from train.rollouts import Rollouts
from train.training import Training, arguments_of, base_of, keep_32_bits, lora_of
from train.watch import FiniteLoss, Watch
from train.weights import load_weights


def grpo_trainer(training: Training) -> Any:
    """The stock trainer of TRL around our attempts, rewards and histories.

    Raises:
        UsageError: see ``arguments_of``.
    """
    from train.groupwise import GroupwiseTrainer
    from train.shared_prompts import SharedPromptTrainer

    config, method, share = training.config, training.method, training.share
    base = base_of(training)
    arguments = arguments_of(training, base)
    alone = share.count == 1 and not arguments.gradient_checkpointing
    kind = SharedPromptTrainer if alone else GroupwiseTrainer
    bank = training.bank()
    # Not 0 where any group has a KL term.
    arguments.beta = max(config.kl, method.anchor or 0.0)
    scored = any(reward.unlikely for reward in method.rewards.values())
    embedding = Embedding(method.embedded, config.encoder) if method.embedded else None
    rollouts = Rollouts(
        training.plan, bank, training.decoding, training.model, config.group_size,
        training.sampler, scored, embedding,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using 'rollout_func'")
        trainer: Any = kind(
            model=base,
            args=arguments,
            processing_class=training.tokenizer,
            train_dataset=dataset(training.plan, config.steps),
            reward_funcs=reward_function(method, config.group_size, share.count),
            rollout_func=rollouts,
            callbacks=[
                bank,
                MetricsLog(training.metrics),
                FiniteLoss(training.checkpoints),
                Watch(training.checkpoints),
            ],
            peft_config=lora_of(config),
        )
    trainer.anchor, trainer.kl = method.anchor, config.kl
    trainer.baseline = method.baseline
    trainer.remove_callback(PrinterCallback)
    keep_32_bits(trainer.model)
    if training.start is not None:
        # After the trainer has taken a model without adapter for the one to hold to.
        load_weights(trainer.model, training.start)
    training.sampler.attach(trainer)
    return trainer
