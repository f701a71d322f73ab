"""Documents packed into rows of one length, trained in one pass as trees.

A leaf sees its own document's trunk so far and itself; the trunk never sees a leaf; a trunk token's
position does not count the leaves before it. So one row trains every turn of a chain exactly as it
is rendered at inference, where the thinking of earlier turns is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from train.pretrain.transcripts import Piece


@dataclass(frozen=True)
class Document:
    """Arrays over the tokens of one document; leaf 0 = trunk."""

    tokens: np.ndarray
    positions: np.ndarray
    leaves: np.ndarray


@dataclass(frozen=True)
class Row:
    """Arrays over the tokens of one row; document 0 = padding, leaf 0 = trunk."""

    tokens: np.ndarray
    positions: np.ndarray
    leaves: np.ndarray
    documents: np.ndarray


def encode(pieces: list[Piece], tokenizer: Any) -> Document:
    """The tokens of one document's pieces."""
    tokens: list[int] = []
    positions: list[int] = []
    leaves: list[int] = []
    depth = 0
    for piece in pieces:
        ids = tokenizer.encode(piece.text, add_special_tokens=False)
        tokens += ids
        positions += range(depth, depth + len(ids))
        leaves += [piece.leaf] * len(ids)
        if piece.leaf == 0:
            depth += len(ids)
    return Document(np.array(tokens), np.array(positions), np.array(leaves))


def pack(documents: Sequence[Document]) -> list[Row]:
    """Rows as long as the longest document, filled first fit, longest first; none is left out."""
    ordered = sorted(documents, key=lambda document: -len(document.tokens))
    length = len(ordered[0].tokens)
    rows: list[list[Document]] = []
    for document in ordered:
        size = len(document.tokens)
        fitting = (row for row in rows if sum(len(d.tokens) for d in row) + size <= length)
        row = next(fitting, None)
        if row is None:
            rows.append(row := [])
        row.append(document)
    return [_join(row, length) for row in rows]


def _join(documents: list[Document], length: int) -> Row:
    sizes = [len(document.tokens) for document in documents]
    padding = length - sum(sizes)

    def joined(arrays: list[np.ndarray]) -> np.ndarray:
        return np.pad(np.concatenate(arrays), (0, padding))

    return Row(
        joined([document.tokens for document in documents]),
        joined([document.positions for document in documents]),
        joined([document.leaves for document in documents]),
        joined([np.repeat(np.arange(1, len(sizes) + 1), sizes)]),
    )


def visible(rows: list[Row]) -> torch.Tensor:
    """Additive attention mask [row, 1, query, key]: 0 where a token may look."""
    documents = torch.from_numpy(np.stack([r.documents for r in rows]))
    leaves = torch.from_numpy(np.stack([r.leaves for r in rows]))
    length = documents.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same = documents[:, :, None] == documents[:, None, :]
    branch = (leaves[:, None, :] == 0) | (leaves[:, None, :] == leaves[:, :, None])
    seen = causal & same & branch
    mask = torch.zeros(seen.shape).masked_fill_(~seen, torch.finfo(torch.float32).min)
    return mask[:, None]


def targets(rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat indices of the tokens that predict a leaf token, and the tokens they predict.

    The first token of a leaf is predicted by the last trunk token before it.
    """
    tokens = np.stack([r.tokens for r in rows])
    leaves = np.stack([r.leaves for r in rows])
    learned = leaves != 0
    learned[:, 0] = False
    flat = np.flatnonzero(learned)
    return torch.from_numpy(flat - 1), torch.from_numpy(tokens.reshape(-1)[flat])
