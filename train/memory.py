"""Memory of one training process on its GPU, counted from the sizes of the model. Bytes."""

from dataclasses import dataclass

from train.architectures import Architecture

GIB = 2**30


@dataclass(frozen=True)
class Memory:
    """weights: of the model. adapter: LoRA in 32 bits with gradients and both moments of Adam.

    activations: of a backward pass over rows of the greatest length; stored, checkpointed: the
    same without and with checkpointing. logits: where they are not computed in pieces.
    vllm_weights, vllm_cache: of a colocated vLLM, its cache for all that it is asked at once, at
    full length; with less it takes turns. encoder: weights of one that is not the model itself.
    """

    weights: int
    adapter: int
    activations: int
    stored: int
    checkpointed: int
    logits: int
    vllm_weights: int = 0
    vllm_cache: int = 0
    encoder: int = 0

    @property
    def total(self) -> int:
        trainer = self.weights + self.adapter + self.activations + self.logits
        return trainer + self.vllm + self.encoder

    @property
    def vllm(self) -> int:
        return self.vllm_weights + self.vllm_cache


def weight_bytes(sizes: Architecture, bits: int, four_bits: bool) -> int:
    """four_bits: of the linear layers in NF4 with two levels of constants, 4.127 bits a weight
    (arXiv 2305.14314, section 3); embeddings and norms stay in ``bits``."""
    if not four_bits:
        return sizes.parameters * bits // 8
    rest = sizes.parameters - sizes.linear_weights
    return round(sizes.linear_weights * 4.127 / 8) + rest * bits // 8


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
