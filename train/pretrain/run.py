"""`forage pretrain`: the embedded model from scratch, through the transformers Trainer."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Qwen3Config, Qwen3ForCausalLM, Trainer, TrainingArguments, set_seed

from sample.problems import Problem
from train.pretrain.config import PretrainConfig
from train.pretrain.corpus import Corpus, collate, solver_of, training_problems
from train.pretrain.optimizer import MuonAdamW
from train.pretrain.tokenizer import build_tokenizer
from train.pretrain.transcripts import write_document


class LeafTrainer(Trainer):
    """Cross entropy on the attempts alone; logits are computed only where they are learned."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        index, labels = inputs.pop("index"), inputs.pop("labels")
        hidden = model.model(**inputs, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[index])
        return cross_entropy(logits.float(), labels)


def run(config: PretrainConfig, folder: Path) -> None:
    """Train into ``folder`` (save_pretrained format); a killed run goes on from its checkpoint."""
    set_seed(config.seed)
    problems = training_problems(config)
    tokenizer = build_tokenizer(_sample_text(config, problems))
    checkpoints = folder / "checkpoints"
    model = Qwen3ForCausalLM(_architecture(config, tokenizer))
    optimizer = MuonAdamW(model, model.model.layers, config.learning_rate, weight_decay=0.1)
    trainer = LeafTrainer(
        model=model,
        args=_arguments(config, checkpoints),
        train_dataset=Corpus(config, problems, tokenizer),
        data_collator=collate,
        processing_class=tokenizer,
        optimizers=(optimizer, None),
    )
    trainer.train(resume_from_checkpoint=any(checkpoints.glob("checkpoint-*")) or None)
    trainer.save_model(str(folder))
    (folder / "training_args.bin").unlink(missing_ok=True)


def _sample_text(config: PretrainConfig, problems: list[list[Problem]]) -> Iterator[str]:
    """Enough documents for every phrase of the families to be met."""
    rng = Random(config.seed)
    for problem in (p for family in problems for p in family[:2000]):
        pieces = write_document(problem, solver_of(problem, config), config, rng)
        yield "".join(piece.text for piece in pieces)


def _architecture(config: PretrainConfig, tokenizer: Any) -> Qwen3Config:
    a = config.architecture
    architecture = Qwen3Config(
        vocab_size=-(-len(tokenizer) // 8) * 8,
        hidden_size=a.hidden,
        num_hidden_layers=a.layers,
        num_attention_heads=a.heads,
        num_key_value_heads=a.kv_heads,
        head_dim=a.hidden // a.heads,
        intermediate_size=a.intermediate,
        max_position_embeddings=a.max_positions,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    # Reports say plainly that such a model is no evidence about large ones.
    architecture.update({"forage_embedded": True})
    return architecture


def _arguments(config: PretrainConfig, checkpoints: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(checkpoints),
        max_steps=config.steps,
        per_device_train_batch_size=config.documents,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.warmup,
        logging_steps=50,
        save_steps=config.checkpoint,
        save_total_limit=1,
        report_to="none",
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
        seed=config.seed,
        train_sampling_strategy="sequential",
    )
