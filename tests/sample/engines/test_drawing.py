import numpy as np
import pytest
import torch

from sample.engines.base import Decoding
from sample.engines.drawing import draw, uniforms, warpers
from sample.errors import ForageError

LOGITS = torch.tensor([[1.0, 3.0, 0.5, 2.0, -1.0]])


def test_uniforms_are_a_function_of_the_seed_and_the_index():
    assert np.array_equal(uniforms(7, 5), uniforms(7, 64)[:5])
    assert not np.array_equal(uniforms(7, 5), uniforms(8, 5))
    many = uniforms(2**62, 10_000)
    assert many.min() >= 0 and many.max() < 1 and abs(many.mean() - 0.5) < 0.01


def test_draw_takes_the_token_whose_share_of_the_unit_interval_holds_the_number():
    shares = LOGITS[0].double().softmax(0)
    edges = torch.cat([torch.zeros(1, dtype=torch.float64), shares.cumsum(0)[:-1]])
    for token in range(5):
        inside = (edges[token] + shares[token] / 2)[None]
        assert draw(LOGITS, inside, Decoding()).item() == token


def test_draw_follows_the_probabilities():
    count = 20_000
    drawn = draw(LOGITS.expand(count, -1), torch.from_numpy(uniforms(3, count)), Decoding())
    shares = torch.bincount(drawn, minlength=5) / count
    assert torch.allclose(shares, LOGITS[0].softmax(0), atol=0.012)


def test_the_largest_uniform_never_leaves_the_vocabulary_or_draws_an_impossible_token():
    logits = torch.randn(200, 50)
    logits[:, -1] = float("-inf")
    last = torch.full((200,), 1 - 2.0**-53, dtype=torch.float64)
    assert draw(logits, last, Decoding()).max() < 49
    assert draw(logits, torch.zeros(200, dtype=torch.float64), Decoding()).min() >= 0


def test_temperature_zero_is_greedy():
    assert draw(LOGITS, torch.tensor([0.99], dtype=torch.float64), Decoding(temperature=0)) == 1


@pytest.mark.parametrize(
    ("decoding", "kept"),
    [
        (Decoding(top_k=2), {1, 3}),
        (Decoding(top_k=1), {1}),
        (Decoding(top_p=0.1), {1}),
        (Decoding(top_p=0.85), {1, 3}),
        (Decoding(top_k=3, temperature=5.0), {0, 1, 3}),
        (Decoding(min_p=0.3), {1, 3}),
        (Decoding(min_p=0.4), {1}),
        (Decoding(min_p=0.05), {0, 1, 2, 3}),
    ],
)
def test_top_k_top_p_and_min_p_cut_the_tail(decoding, kept):
    uniform = torch.linspace(0, 1 - 1e-9, 500, dtype=torch.float64)
    assert set(draw(LOGITS.expand(500, -1), uniform, decoding).tolist()) == kept


def test_temperature_acts_before_top_p():
    names = [type(w).__name__ for w in warpers(Decoding(temperature=2, top_p=0.9, top_k=4))]
    assert names == ["TemperatureLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_refused(bad, temperature):
    logits = LOGITS.clone()
    logits[0, 2] = bad
    with pytest.raises(ForageError, match="not finite"):
        draw(logits, torch.tensor([0.5], dtype=torch.float64), Decoding(temperature=temperature))
