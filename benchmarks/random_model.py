"""A random model of a size, with the tokenizer and template of the embedded one."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, Qwen3ForCausalLM

SHAPE = "models/anchored"
LAYERS = 12
HEAD = 64


def parse_size(text: str) -> int:
    """ "30M" -> 30,000,000."""
    return int(float(text.removesuffix("M")) * 1_000_000)


def save_random(folder: Path, parameters: int) -> str:
    """Write about so many random weights to a folder; returns it.

    A layer of width h has 12 h**2 weights: 3 in attention, half as many key heads as query heads,
    and 9 in the three matrices of the feed-forward net, which is three times as wide.
    """
    heads = max(2, 2 * round((parameters / (12 * LAYERS)) ** 0.5 / HEAD / 2))
    width = heads * HEAD
    config: Any = AutoConfig.from_pretrained(SHAPE)
    config.update({
        "hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": LAYERS,
        "num_attention_heads": heads, "num_key_value_heads": heads // 2, "head_dim": HEAD,
        "layer_types": ["full_attention"] * LAYERS,
    })  # fmt: skip
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(SHAPE).save_pretrained(folder)
    return str(folder)
