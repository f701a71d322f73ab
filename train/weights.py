"""The adapter under training as a plain PEFT folder, whatever holds its parts."""

from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

WEIGHTS = "adapter_model.safetensors"
"""In the folder of an adapter, as PEFT names it."""


def load_weights(model: Any, folder: Path) -> None:
    """Put the weights of a saved adapter in place of those of the adapter under training."""
    from peft import load_peft_weights, set_peft_model_state_dict

    set_peft_model_state_dict(model, load_peft_weights(str(folder), device="cpu"))


def whole_weights(model: Any) -> dict[str, torch.Tensor]:
    """The trained weights, those that FSDP has spread over the processes put together.

    Every process must call it.
    """
    return {
        name: (weight.full_tensor() if isinstance(weight, DTensor) else weight).detach()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


def save_adapter(model: Any, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Equal trainings give equal files."""
    lora = model.peft_config["default"]
    # A set, whose order differs from process to process.
    lora.target_modules = sorted(lora.target_modules)
    model.save_pretrained(folder, state_dict=weights, save_embedding_layers=False)
