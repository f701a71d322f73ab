"""Muon for the matrices of the layers, AdamW for embeddings and norms, as one optimizer.

On the embedded model it reaches with 1 M tokens what AdamW does not reach with 2 M. Muon
orthogonalises the update of a matrix (Jordan et al. 2024); its step is scaled to the size of
AdamW's (arXiv 2502.16982, section 2.2), so that both share one learning rate.
"""

from typing import Any

import torch
from torch.optim import AdamW, Muon, Optimizer


class MuonAdamW(Optimizer):
    """``layers``: the module whose matrices Muon takes; AdamW takes the model's other weights."""

    def __init__(self, model: Any, layers: Any, learning_rate: float, weight_decay: float) -> None:
        matrices = [p for p in layers.parameters() if p.ndim == 2]
        taken = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in taken]
        super().__init__([*matrices, *others], {})
        muon = Muon(
            matrices,
            lr=learning_rate,
            weight_decay=weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        self._parts = (muon, AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0))
        self._share_groups()

    def _share_groups(self) -> None:
        """A scheduler sees the groups of the parts themselves."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()
