"""TRL's trainer with what it lacks for a group: its own weight of the KL, rewards as they are."""

from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer


class RowWeights(float):
    """TRL's beta with a weight for each row, for the one product that it is used in.

    As a number it says whether there is a KL term at all, which is so for all rows or for none.
    """

    rows: torch.Tensor

    def __mul__(self, per_token: Any) -> Any:
        """per_token: KL of each token, [rows, length]."""
        return self.rows[:, None] * per_token


class GroupwiseTrainer(GRPOTrainer):
    """The stock trainer, but for two switches of a method, which are off until they are set.

    anchor: weight of the KL in groups with an empty history, None = as in all others. kl: in the
    others, where there is an anchor.
    baseline: "none": an advantage is the reward itself, not its distance to the group's mean.
    """

    anchor: float | None = None
    kl: float = 0.0
    baseline: str = "group"

    def _calculate_rewards(self, inputs: Any, *rest: Any) -> torch.Tensor:
        self._first = [not row["groups"].history for row in inputs]
        paid = super()._calculate_rewards(inputs, *rest)
        begin = self.accelerator.process_index * len(inputs)
        self._paid = paid[begin : begin + len(inputs), 0]
        return paid

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        made = super()._generate_and_score_completions(inputs)
        if self.baseline == "none":
            made["advantages"] = self._paid
        if self.anchor is not None:
            first = torch.tensor(self._first, device=made["advantages"].device)
            made["kl_weights"] = torch.where(first, self.anchor, self.kl)
        return made

    def _compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
        beta = self.beta
        if self.anchor is not None:
            self.beta = RowWeights(beta)
            self.beta.rows = inputs["kl_weights"]
        try:
            return super()._compute_loss(model, inputs)
        finally:
            self.beta = beta
