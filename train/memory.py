"""Memory of one training process on its GPU, counted from the sizes of the model. Bytes."""

from dataclasses import dataclass

from train.architectures import Architecture
from train.gpu import CUDA_OWN, VLLM_OWN

NF4 = 4.127
"""Bits of a weight in NF4 with two levels of constants (arXiv 2305.14314, section 3)."""


@dataclass(frozen=True)
class VllmRoom:
    """What a vLLM does with the memory that it takes.

    share: all of it. weights: of the model. attempt, context: cache of an attempt at full length,
    and of the longest context that it is told of, without room for which it does not start.
    """

    share: int
    weights: int
    attempt: int
    context: int

    @property
    def cache(self) -> int:
        return max(0, self.share - self.weights - VLLM_OWN)

    @property
    def at_once(self) -> int:
        """Attempts at full length; shorter ones are more."""
        return self.cache // self.attempt

    @property
    def starts(self) -> bool:
        return self.cache >= self.context

    @property
    def least(self) -> int:
        """The smallest share with which it starts."""
        return self.weights + VLLM_OWN + max(self.context, self.attempt)


@dataclass(frozen=True)
class Memory:
    """weights: of the model. adapter: LoRA in 32 bits with gradients and both moments of Adam.

    activations: of a backward pass over rows of the greatest length; stored, checkpointed: the
    same without and with checkpointing. logits: where they are not computed in pieces.
    sampling: keys and values of all that this package's engine draws at once, at full length; free
    again before the backward pass. vllm: of a colocated one. encoder: weights of one that is not
    the model itself.
    """

    weights: int
    adapter: int
    activations: int
    stored: int
    checkpointed: int
    logits: int
    sampling: int = 0
    vllm: VllmRoom | None = None
    encoder: int = 0

    @property
    def starts(self) -> bool:
        """Whether a colocated vLLM does."""
        return self.vllm is None or self.vllm.starts

    @property
    def total(self) -> int:
        beside = self.vllm.share if self.vllm else 0
        most = max(self.activations + self.logits, self.sampling)
        return self.weights + self.adapter + most + beside + self.encoder + CUDA_OWN


def weight_bytes(sizes: Architecture, bits: int, linear: float | None = None) -> int:
    """linear: bits of a weight of the linear layers, if they are quantized; embeddings and norms
    stay in ``bits``."""
    rest = sizes.parameters - sizes.linear_weights
    return round(sizes.linear_weights * (linear or bits) / 8) + rest * bits // 8


def layer_bytes(sizes: Architecture, bits: int) -> float:
    """What one layer keeps of each token until its backward pass, with LoRA on all linear layers:
    inputs of the norms, in 32 bits, and of the linear layers, queries, keys and values as attention
    reads them (not their square matrix), and the three products of the gated MLP."""
    queries, keys = sizes.heads * sizes.head, sizes.key_heads * sizes.head
    normed = 2 * sizes.width + (queries + keys if sizes.head_norms else 0)
    others = 2 * sizes.width + 2 * (queries + keys) + 4 * sizes.inner
    return 4 * normed + bits / 8 * others


def activation_bytes(sizes: Architecture, tokens: int, bits: int, checkpointing: bool) -> int:
    """Checkpointing keeps the input of every layer, and all of the one that is computed again."""
    one = layer_bytes(sizes, bits)
    if checkpointing:
        return round(tokens * (sizes.layers * sizes.width * bits / 8 + one))
    return round(tokens * sizes.layers * one)


def logit_bytes(sizes: Architecture, tokens: int) -> int:
    """As 32-bit numbers, with their log-probabilities and the gradient of these."""
    return 3 * 4 * tokens * sizes.vocabulary


def cache_bytes(sizes: Architecture, tokens: int, bits: int) -> int:
    return sizes.cache_numbers * tokens * bits // 8
