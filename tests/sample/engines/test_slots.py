import gc
import weakref

import torch

from sample.engines.slots import SlotCache, causal_mask, padded_length


def test_padded_length():
    assert [padded_length(n) for n in (1, 128, 129, 192, 193)] == [128, 128, 192, 192, 256]


def test_mask_shows_each_query_itself_and_what_is_before_it():
    mask = causal_mask(torch.tensor([[0, 1], [5, 6]]), 128, torch.float32)
    assert mask.shape == (2, 1, 2, 128)
    assert (mask == 0).sum(-1).flatten().tolist() == [1, 2, 6, 7]
    window = causal_mask(torch.tensor([[5]]), 128, torch.float32, window=2)
    assert (window == 0).nonzero()[:, 3].tolist() == [4, 5]


def test_rows_are_written_at_their_own_positions_and_survive_growth_and_moves():
    cache = SlotCache(1, torch.device("cpu"))

    def write(slots: slice | torch.Tensor, positions: list[list[int]], value: float):
        at = torch.tensor(positions)
        cache.reserve(int(torch.arange(9)[slots].max()) + 1, int(at.max()) + 1)
        cache.place(slots, at, int(at.max()) + 1)
        new = torch.full((len(positions), 2, len(positions[0]), 4), value)
        return cache.update(new, -new, 0)[0]

    keys = write(slice(2), [[0, 1, 2], [0, 1, 2]], 1.0)
    assert keys.shape == (2, 2, 128, 4)
    write(slice(2), [[3], [1]], 2.0)
    keys = write(torch.tensor([8, 2]), [[300], [299]], 3.0)
    assert keys.shape == (2, 2, 320, 4)
    assert (keys[0, :, 300] == 3).all() and (keys[1, :, 299] == 3).all()
    cache.move([1], [5], 128)
    cache.place(slice(6), torch.zeros(6, 1, dtype=torch.long), 4)
    layer = cache.layers[0]
    assert layer.keys[0, 0, :5, 0].tolist() == [1, 1, 1, 2, 0]  # type: ignore[index]
    assert layer.keys[5, 1, :4, 0].tolist() == [1, 2, 1, 0]  # type: ignore[index]
    assert layer.values[5, 1, :4, 0].tolist() == [-1, -2, -1, 0]  # type: ignore[index]


def test_keys_and_values_are_freed_with_their_cache_and_wait_for_no_garbage_collector():
    gc.disable()
    try:
        cache = SlotCache(2, torch.device("cpu"))
        cache.place(slice(1), torch.tensor([[0]]), 1)
        cache.update(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), 1)
        held = weakref.ref(cache.layers[1].keys)
        assert held() is not None
        del cache
        assert held() is None
    finally:
        gc.enable()
