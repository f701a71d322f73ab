"""The `pretrain` section of a config."""

from collections.abc import Mapping
from dataclasses import dataclass

from sample.config import ProblemConfig


@dataclass(frozen=True)
class Architecture:
    """A Qwen3 decoder with tied embeddings."""

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    intermediate: int = 512
    max_positions: int = 4096


@dataclass(frozen=True)
class PretrainConfig:
    """reuse: the planted probability that an attempt repeats an earlier answer.
    slip: the planted probability of an off-by-a-few error at each step of a running sum.
    single: share of documents with one attempt only; the others have 2..max_turns.
    drafts: attempts learned at each turn.
    filler: share of documents with irrelevant sentences before the question.
    problems: the families, always their train split; count distinct problems of each are made.
    steps, documents: optimizer steps, and documents in each.
    checkpoint: steps between checkpoints."""

    problems: Mapping[str, ProblemConfig]
    reuse: float = 0.7
    slip: float = 0.12
    single: float = 0.35
    max_turns: int = 9
    drafts: int = 2
    filler: float = 0.15
    architecture: Architecture = Architecture()
    steps: int = 3800
    documents: int = 10
    learning_rate: float = 3e-3
    warmup: int = 100
    checkpoint: int = 500
    seed: int = 0
