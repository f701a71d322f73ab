"""Sizes of decoder models of the Llama and Qwen kind, and what follows from them by counting."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sample.errors import UsageError


@dataclass(frozen=True)
class Architecture:
    """layers of ``width``, an MLP of ``inner`` width with a gate, ``heads`` of ``head`` numbers.

    tied: the output layer is the embedding. biases: on queries, keys and values. head_norms: of
    queries and keys. bits: of a weight as saved. context: most tokens.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    key_heads: int
    head: int
    inner: int
    tied: bool
    context: int
    biases: bool = False
    head_norms: bool = True
    bits: int = 16

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of the linear layers of one layer: q, k, v, o, gate, up, down."""
        queries, keys = self.heads * self.head, self.key_heads * self.head
        width, inner = self.width, self.inner
        return ((width, queries), (width, keys), (width, keys), (queries, width),
                (width, inner), (width, inner), (inner, width))  # fmt: skip

    @property
    def linear_weights(self) -> int:
        """Of all linear layers but the output layer, without biases."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linears)

    @property
    def parameters(self) -> int:
        embedding = self.vocabulary * self.width * (1 if self.tied else 2)
        norms = 2 * self.width + (2 * self.head if self.head_norms else 0)
        biases = (self.heads + 2 * self.key_heads) * self.head if self.biases else 0
        return embedding + self.linear_weights + self.layers * (norms + biases) + self.width

    def lora_parameters(self, rank: int) -> int:
        """Of an adapter on every linear layer (arXiv 2106.09685): rank x (inputs + outputs)."""
        return self.layers * sum(rank * (i + o) for i, o in self.linears)

    @property
    def cache_numbers(self) -> int:
        """Keys and values of one token."""
        return 2 * self.layers * self.key_heads * self.head


def _qwen3(width: int, layers: int, heads: int, inner: int, tied: bool) -> Architecture:
    return Architecture(151936, width, layers, heads, 8, 128, inner, tied, 40960)


def _qwen2(width: int, layers: int, heads: int, key_heads: int, inner: int) -> Architecture:
    return Architecture(
        151936, width, layers, heads, key_heads, 128, inner, False, 131072, True, False
    )


KNOWN: Mapping[str, Architecture] = {
    "Qwen/Qwen3-0.6B": _qwen3(1024, 28, 16, 3072, True),
    "Qwen/Qwen3-1.7B": _qwen3(2048, 28, 16, 6144, True),
    "Qwen/Qwen3-4B": _qwen3(2560, 36, 32, 9728, True),
    "Qwen/Qwen3-8B": _qwen3(4096, 36, 32, 12288, False),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _qwen2(1536, 28, 12, 2, 8960),
}
"""As their config.json has it, so that a dry run needs no network."""


def architecture(path: str) -> Architecture:
    """Of a model: from the config in its folder or in the Hub's local cache, else as known here.

    Raises:
        UsageError: neither is there, or it is of a kind that is not counted here.
    """
    for file in _files(path, "config.json"):
        return _from_config(json.loads(file.read_text()), path)
    if path in KNOWN:
        return KNOWN[path]
    raise UsageError(
        f"dry run: the sizes of model {path!r} are not on this machine; first: hf download {path} "
        "config.json, or --set the model's path to a folder that has one"
    )


def saved_bytes(path: str, where: str) -> int:
    """Of the weights of a model as saved, whatever its kind. where: the key that names it.

    Raises:
        UsageError: they are not on this machine.
    """
    for file in _files(path, "model.safetensors"):
        return file.stat().st_size
    for file in _files(path, "model.safetensors.index.json"):
        return json.loads(file.read_text())["metadata"]["total_size"]
    raise UsageError(
        f"dry run: {where}: no model.safetensors of {path!r} on this machine; first: hf download "
        f"{path}, or give a folder that has one"
    )


def _files(path: str, name: str) -> Iterator[Path]:
    """The file of a model's folder or of the Hub's local cache, if it is there."""
    if (file := Path(path) / name).is_file():
        yield file
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(path, name)
    except HFValidationError:
        return
    if isinstance(found, str):
        yield Path(found)


def _from_config(config: Mapping[str, Any], path: str) -> Architecture:
    kind = config.get("model_type")
    if kind not in ("llama", "qwen2", "qwen3"):
        raise UsageError(
            f"dry run: model {path!r} is of kind {kind!r}, whose memory is not known here (known: "
            "llama, qwen2, qwen3); it may be trained all the same"
        )
    heads, width = config["num_attention_heads"], config["hidden_size"]
    precision = config.get("dtype") or config.get("torch_dtype")
    return Architecture(
        config["vocab_size"],
        width,
        config["num_hidden_layers"],
        heads,
        config.get("num_key_value_heads") or heads,
        config.get("head_dim") or width // heads,
        config["intermediate_size"],
        config.get("tie_word_embeddings", False),
        config["max_position_embeddings"],
        kind == "qwen2",
        kind == "qwen3",
        32 if precision == "float32" else 16,
    )
