"""Documents packed into rows of fixed length, trained in one pass as a tree.

A leaf sees its own document's trunk so far and itself; the trunk never sees a leaf; a trunk token's
position does not count the leaves before it. So one row trains every turn of a chain exactly as it
is rendered at inference, where the thinking of earlier turns is gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from train.pretrain.transcripts import Piece


@dataclass
class Row:
    """Arrays over the tokens of one row; document 0 = padding, leaf 0 = trunk."""

    tokens: np.ndarray
    positions: np.ndarray
    documents: np.ndarray
    leaves: np.ndarray


def encode(pieces: list[Piece], tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """Tokens, positions and leaves of one document."""
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
    return tokens, positions, leaves


def pack(documents: Iterator[tuple[list[int], list[int], list[int]]], length: int) -> Row:
    """One row, filled until a few documents in turn did not fit what is left of it."""
    row, used, count, misses = _empty(length), 0, 0, 0
    while misses < 4:
        tokens, positions, leaves = next(documents)
        size = len(tokens)
        if used + size > length:
            misses += 1
            continue
        count += 1
        span = slice(used, used + size)
        row.tokens[span], row.positions[span] = tokens, positions
        row.documents[span], row.leaves[span] = count, leaves
        used += size
    return row


def _empty(length: int) -> Row:
    return Row(*(np.zeros(length, dtype=np.int64) for _ in range(4)))


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
