"""Keys and values of prompts read before, so that what begins alike is read once.

They lie in blocks of tokens. A block is known by its tokens and the block before it, so blocks
form a tree and two prompts share exactly what they begin with. The blocks that were used longest
ago make room for new ones.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch

from sample.engines.slots import SlotCache

BLOCK = 8
SPACE = {"cpu": 2**28, "cuda": 2**31}
"""Bytes of the store by device, 256 MiB and 2 GiB; elsewhere as on a CPU."""

Key = tuple[int, tuple[int, ...]]
"""Number of the block before (0 = none), and the tokens."""


@dataclass(frozen=True)
class Known:
    """What is stored of a prompt. places: of its blocks in the store. last: number of the last one.

    missing: the first whole block that is not stored, None if all are.
    """

    prompt: Sequence[int]
    places: list[int]
    last: int

    @property
    def tokens(self) -> int:
        return len(self.places) * BLOCK

    @property
    def missing(self) -> Key | None:
        return _key(self.prompt, len(self.places), self.last)


class Prefixes:
    """The store beside the slots of one model, with or without an adapter."""

    def __init__(self, cache: SlotCache) -> None:
        self._cache = cache
        self._blocks: OrderedDict[Key, tuple[int, int]] = OrderedDict()
        """Key -> number and place, those used longest ago first."""
        self._numbers = count(1)
        self._pool: list[tuple[torch.Tensor, torch.Tensor]] = []

    def find(self, prompt: Sequence[int]) -> Known:
        """How the prompt begins, as far as it is stored; that counts as used now."""
        places, last, path = [], 0, []
        while (key := _key(prompt, len(places), last)) in self._blocks:
            last, place = self._blocks[key]
            places.append(place)
            path.append(key)
        for key in reversed(path):  # what others may share goes last
            self._blocks.move_to_end(key)
        return Known(prompt, places, last)

    def load(self, start: int, prompts: Sequence[Known]) -> None:
        """Write what is known of the prompts to the slots from ``start`` on."""
        places = [place for known in prompts for place in known.places]
        if not places:
            return
        at = [(s, i) for s, known in enumerate(prompts, start) for i in range(len(known.places))]
        rows, positions = self._where(at)
        chosen = torch.tensor(places, device=self._cache.device)
        for layer, (keys, values) in zip(self._cache.layers, self._pool, strict=True):
            layer.keys[rows, :, positions] = keys[chosen]  # type: ignore[index]
            layer.values[rows, :, positions] = values[chosen]  # type: ignore[index]

    def save(self, start: int, prompts: Sequence[Known]) -> None:
        """Store the whole blocks that were missing, from the slots from ``start`` on."""
        if not any(known.missing for known in prompts):
            return
        self._pool = self._pool or self._made()
        at, places = [], []
        for slot, known in enumerate(prompts, start):
            last, index = known.last, len(known.places)
            while (key := _key(known.prompt, index, last)) and len(places) < self._room:
                last, place = self._blocks[key] = next(self._numbers), self._free()
                at.append((slot, index))
                places.append(place)
                index += 1
        rows, positions = self._where(at)
        chosen = torch.tensor(places, device=self._cache.device)
        for layer, (keys, values) in zip(self._cache.layers, self._pool, strict=True):
            keys[chosen] = layer.keys[rows, :, positions]  # type: ignore[index]
            values[chosen] = layer.values[rows, :, positions]  # type: ignore[index]

    @property
    def _room(self) -> int:
        return len(self._pool[0][0])

    def _free(self) -> int:
        """The place of a new block. A block whose predecessor is gone is never found again."""
        if len(self._blocks) < self._room:
            return len(self._blocks)
        return self._blocks.popitem(last=False)[1][1]

    def _made(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        layers: list[Any] = self._cache.layers
        each = sum(t[0, :, :BLOCK].nbytes for layer in layers for t in (layer.keys, layer.values))
        room = max(1, SPACE.get(self._cache.device.type, SPACE["cpu"]) // each)
        return [(_blocks(layer.keys, room), _blocks(layer.values, room)) for layer in layers]

    def _where(self, at: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows [blocks, 1] and positions [blocks, BLOCK] in the slots of (slot, block index)."""
        rows, blocks = torch.tensor(at, device=self._cache.device).T[:, :, None]
        return rows, blocks * BLOCK + torch.arange(BLOCK, device=self._cache.device)


def _blocks(slots: torch.Tensor, count: int) -> torch.Tensor:
    return slots.new_empty(count, BLOCK, slots.shape[1], slots.shape[3])


def _key(prompt: Sequence[int], index: int, last: int) -> Key | None:
    """The key of a prompt's block, None if it is not whole."""
    tokens = prompt[index * BLOCK : (index + 1) * BLOCK]
    return (last, tuple(tokens)) if len(tokens) == BLOCK else None
