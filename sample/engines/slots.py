"""A key/value cache of slots: one slot holds one sequence, each at its own length.

It plugs into the models of ``transformers`` as their cache. Stale entries beyond a sequence's
length stay in place; the attention mask hides them until they are overwritten.
"""

import weakref

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

MULTIPLE = 64
SHORTEST = 128


def padded_length(length: int) -> int:
    """``length`` rounded up so that one query's attention does not depend on the longest row.

    Measured on CPU in float32: scaled_dot_product_attention of a single query gives the same bits
    however many masked keys follow, once their number is a multiple of 64 and at least 128.
    """
    return max(SHORTEST, -(-length // MULTIPLE) * MULTIPLE)


def causal_mask(
    positions: torch.Tensor, length: int, dtype: torch.dtype, window: int | None = None
) -> torch.Tensor:
    """Additive mask [rows, 1, queries, length]: 0 on keys at or before each query, else -inf.

    positions: [rows, queries]. window: how many keys, the query's own included, a sliding layer
    sees. A query always sees itself, so no row is all -inf (its softmax would be NaN).
    """
    query = positions[:, None, :, None]
    keys = torch.arange(length, device=positions.device)
    seen = keys <= query
    if window is not None:
        seen &= keys > query - window
    mask = torch.zeros(seen.shape, dtype=dtype, device=positions.device)
    return mask.masked_fill_(~seen, float("-inf"))


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, [slots, kv_heads, capacity, head_dim]."""

    is_sliding = False

    def __init__(self, cache: "SlotCache") -> None:
        super().__init__()
        # In a circle of references, keys and values would wait for the garbage collector.
        self.cache: SlotCache = weakref.proxy(cache)

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        slots, length = self.cache.capacity
        self.keys = key_states.new_zeros(slots, key_states.shape[1], length, key_states.shape[3])
        self.values = value_states.new_zeros(
            slots, value_states.shape[1], length, value_states.shape[3]
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write [rows, kv_heads, queries, head_dim] at the placed slots and positions."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        at = self.cache
        self.keys[at.rows, :, at.positions] = key_states.transpose(1, 2)
        self.values[at.rows, :, at.positions] = value_states.transpose(1, 2)
        return self.keys[at.slots, :, : at.length], self.values[at.slots, :, : at.length]

    def grow(self, slots: int, length: int) -> None:
        if self.keys is None or self.values is None:
            return
        self.keys = _enlarged(self.keys, slots, length)
        self.values = _enlarged(self.values, slots, length)

    def move(self, sources: torch.Tensor, targets: torch.Tensor, length: int) -> None:
        if self.keys is None or self.values is None:
            return
        self.keys[targets, :, :length] = self.keys[sources, :, :length]
        self.values[targets, :, :length] = self.values[sources, :, :length]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.cache.length, 0

    def get_seq_length(self) -> int:
        return self.cache.length

    def get_max_length(self) -> int:
        return -1


class SlotCache(Cache):
    """The layers, and where the next forward pass writes (``place``)."""

    def __init__(self, layers: int, device: torch.device) -> None:
        self.device = device
        self.capacity = (0, 0)
        self.length = 0
        self.slots: slice | torch.Tensor = slice(0)
        self.rows = self.positions = torch.zeros(0, 1, dtype=torch.long, device=device)
        super().__init__(layers=[SlotLayer(self) for _ in range(layers)])

    def place(self, slots: slice | torch.Tensor, positions: torch.Tensor, longest: int) -> int:
        """The next pass writes these slots at ``positions`` [rows, queries].

        slots: as a tensor [rows], or as a slice from 0 on, whose keys need not be copied.
        longest: keys that a query may see, for which room is made. Returns the length of the keys
        that the layers will give back.
        """
        self.reserve(slots.stop if isinstance(slots, slice) else 0, longest)
        self.slots, self.positions, self.length = slots, positions, padded_length(longest)
        rows = torch.arange(slots.stop, device=self.device) if isinstance(slots, slice) else slots
        self.rows = rows[:, None]
        return self.length

    def move(self, sources: list[int], targets: list[int], length: int) -> None:
        """Copy the first ``length`` entries of the slots ``sources`` into ``targets``."""
        source = torch.tensor(sources, device=self.device)
        target = torch.tensor(targets, device=self.device)
        for layer in self.layers:
            layer.move(source, target, length)  # type: ignore[union-attr]

    def reserve(self, slots: int, length: int) -> None:
        """Make room for slots of a length, by doubling, where there is none."""
        length = padded_length(length)
        have_slots, have_length = self.capacity
        if slots <= have_slots and length <= have_length:
            return
        if slots > have_slots:
            have_slots = max(slots, 2 * have_slots)
        if length > have_length:
            have_length = padded_length(max(length, 2 * have_length))
        self.capacity = (have_slots, have_length)
        for layer in self.layers:
            layer.grow(have_slots, have_length)  # type: ignore[union-attr]


def _enlarged(old: torch.Tensor, slots: int, length: int) -> torch.Tensor:
    new = old.new_zeros(slots, old.shape[1], length, old.shape[3])
    new[: old.shape[0], :, : old.shape[2]] = old
    return new
