"""The loss of a step with every prompt read once, not once for each attempt of its group."""

from collections.abc import Iterator
from typing import Any

import torch
from transformers import DynamicCache

from train.groupwise import GroupwiseTrainer

PROMPTS = 8
"""Prompts of similar length that are read together, padded to the longest of them alone."""


class SharedPromptTrainer(GroupwiseTrainer):
    """TRL's trainer where one forward pass over the prompts serves all attempts of their groups.

    The same numbers as the stock trainer's, up to rounding, at a fraction of the tokens when
    prompts are long and answers short. It needs the keys and values of the prompt, which gradient
    checkpointing does not keep, and a model that is not wrapped: one process.
    """

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        """Log-probabilities of the last ``logits_to_keep`` tokens [rows, logits_to_keep], and
        entropies of the distributions that they were drawn from."""
        inner = model.get_base_model()
        split = input_ids.shape[1] - logits_to_keep
        lengths = attention_mask[:, :split].sum(1)
        logps = input_ids.new_zeros(len(input_ids), logits_to_keep, dtype=torch.float32)
        entropies = torch.zeros_like(logps)
        for rows in _chunks(input_ids[:, :split], lengths):
            first = split - int(lengths[rows].max())
            logits = _completion_logits(
                inner, input_ids[rows, first:], attention_mask[rows, first:], logits_to_keep
            )
            scores = (logits.float() / self.temperature).log_softmax(-1)
            drawn = input_ids[rows, split:, None]
            logps = logps.index_put((rows,), scores.gather(-1, drawn)[..., 0])
            if compute_entropy:
                # In the graph only where the loss has a bonus on it: it doubles the memory.
                bonus = getattr(self.args, "entropy_coef", 0)
                kept = scores if bonus else scores.detach()
                entropy = -(kept.exp() * kept).sum(-1)
                entropies = entropies.index_put((rows,), entropy)
        return logps, entropies if compute_entropy else None, None


def _chunks(prompts: torch.Tensor, lengths: torch.Tensor) -> Iterator[torch.Tensor]:
    """Indices of the rows of up to PROMPTS different prompts at a time, shortest first."""
    _, group = torch.unique(
        torch.cat([lengths[:, None], prompts], 1), dim=0, return_inverse=True
    )  # sorted by length, as that is the first column
    for start in range(0, int(group.max()) + 1, PROMPTS):
        yield ((group >= start) & (group < start + PROMPTS)).nonzero()[:, 0]


def _completion_logits(
    inner: Any, tokens: torch.Tensor, mask: torch.Tensor, count: int
) -> torch.Tensor:
    """Logits that the last ``count`` tokens were drawn from: [rows, count, vocabulary].

    tokens, mask: [rows, length], prompts padded on the left. All of a prompt but its last token is
    read once; the last token starts every attempt, as its logits belong to the attempt.
    """
    shared = tokens.shape[1] - count - 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    key = torch.cat([tokens[:, :shared], mask[:, :shared]], 1)
    unique, group = torch.unique(key, dim=0, return_inverse=True)
    prompts, prompt_mask = unique[:, :shared], unique[:, shared:]
    cache = DynamicCache(config=inner.config)
    if shared:
        inner.base_model(
            input_ids=prompts,
            attention_mask=prompt_mask,
            position_ids=(prompt_mask.cumsum(1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
        )
        cache.batch_select_indices(group)
    hidden = inner.base_model(
        input_ids=tokens[:, shared:-1],
        attention_mask=mask[:, :-1],
        position_ids=positions[:, shared:-1],
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return inner.get_output_embeddings()(hidden)
