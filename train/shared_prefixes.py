"""The loss of a step of fine-tuning with what its examples have in common read once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from train.shared_examples import SharedExamplesTrainer

ROW = 1024
"""Tokens of a row. Its attention mask is dense, so that longer ones cost more than they save."""
IGNORED = -100
"""Label of a token that is not learned."""


@dataclass
class Tree:
    """Examples as branches: a token is there once for all that have the same before it.

    parents: of each token, -1 for the first ones. learned: (token before, token) -> how many
    examples learn it there.
    """

    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    learned: Counter[tuple[int, int]] = field(default_factory=Counter)
    _places: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, tokens: Sequence[int], labels: Sequence[int]) -> None:
        """The first token of an example cannot be learned."""
        last = -1
        for token, label in zip(tokens, labels, strict=True):
            if label != IGNORED and last >= 0:
                self.learned[last, label] += 1
            here = self._places.setdefault((last, token), len(self.tokens))
            if here == len(self.tokens):
                self.tokens.append(token)
                self.parents.append(last)
            last = here

    def visible(self, length: int) -> np.ndarray:
        """[length, length]: a token sees those before it on its branch, and itself; padding sees
        itself alone."""
        seen = np.eye(length, dtype=bool)
        for here, parent in enumerate(self.parents):
            if parent >= 0:
                seen[here] |= seen[parent]
        return seen


def trees(examples: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Iterator[Tree]:
    """Neighbours share a tree as long as it has room for them. examples: (tokens, labels)."""
    tree = Tree()
    for tokens, labels in examples:
        if tree.tokens and len(tree.tokens) + len(tokens) > ROW:
            yield tree
            tree = Tree()
        tree.add(tokens, labels)
    yield tree


class SharedPrefixTrainer(SharedExamplesTrainer):
    """The same loss as the stock trainer's, up to rounding, at a fraction of the tokens where
    examples have long prompts in common: attempts after the same and after longer histories.

    For examples of up to ROW tokens and a model that is not wrapped: one process.
    """

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        inner = model.get_base_model()
        rows = list(trees(_examples(inputs)))
        device, dtype = inputs["input_ids"].device, inner.dtype
        packed = {key: value.to(device) for key, value in _packed(rows, dtype).items()}
        hidden = inner.base_model(**packed, use_cache=False).last_hidden_state
        length = hidden.shape[1]
        places = [(n * length + last, token, count) for n, row in enumerate(rows)
                  for (last, token), count in row.learned.items()]  # fmt: skip
        index, labels, counts = (
            torch.tensor(places, dtype=torch.long, device=device).reshape(-1, 3).unbind(1)
        )
        logits = inner.get_output_embeddings()(hidden.flatten(0, 1)[index]).float()
        self._log_entropy(logits, counts)
        total = counts.sum() if num_items_in_batch is None else num_items_in_batch
        nats = cross_entropy(logits, labels, reduction="none")
        return (nats * counts).sum() / torch.as_tensor(total).clamp(min=1)

    @torch.no_grad()
    def _log_entropy(self, logits: torch.Tensor, counts: torch.Tensor) -> None:
        scores = logits.log_softmax(-1)
        entropy = -(scores.exp() * scores).sum(-1)
        mean = (entropy * counts).sum() / counts.sum().clamp(min=1)
        self._metrics["train"]["entropy"].append(mean.item())


def _examples(inputs: Any) -> list[tuple[list[int], list[int]]]:
    """(tokens, labels) of each row of a batch, without its padding."""
    lengths = inputs["attention_mask"].sum(1).tolist()
    both = zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), lengths, strict=True)
    return [(tokens[:length], labels[:length]) for tokens, labels, length in both]


def _packed(rows: Sequence[Tree], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Inputs of a model: a row for each tree, filled up to the longest."""
    length = max(len(row.tokens) for row in rows)
    seen = torch.from_numpy(np.stack([row.visible(length) for row in rows]))
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)
    padded = [row.tokens + [0] * (length - len(row.tokens)) for row in rows]
    return {
        "input_ids": torch.tensor(padded),
        "position_ids": seen.sum(-1) - 1,
        "attention_mask": mask[:, None],
    }
