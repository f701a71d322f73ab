"""Reading given attempts, against the engine that made them and a pass without a cache."""

import pytest
import torch
from msgspec.structs import replace

from sample.config import ProblemConfig
from sample.engines import reading
from sample.engines.base import Decoding
from sample.engines.batch import Batch, Sequence
from sample.engines.reading import Reader
from sample.families import load_problems
from sample.models import TransformersModel
from sample.prompts import conversation
from sample.records import Attempt

OPTIONS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip
PROBLEM = load_problems("f", ProblemConfig("countdown", options=OPTIONS, count=1))[0]
MESSAGES = conversation(PROBLEM.question, ["5", "12 + 3", ""])


@pytest.fixture
def reader():
    return Reader(TransformersModel("models/anchored", device="cpu"))


def record(generation):
    return Attempt("f", "p", "a", "s", 0, 1, 0, generation.thinking, generation.text, None,
                   None, None, generation.finish, generation.ledger)  # fmt: skip


@pytest.fixture
def made(reader):
    """(attempt, its ids, log-probability while it was drawn) of eight attempts."""
    prompt = reader._chat.prompt(MESSAGES)
    stop = reader._chat._tokenizer.eos_token_id
    batch = Batch(reader._model, 8, [stop], scored=True)
    sequences = [Sequence(prompt.ids, seed, Decoding(max_new_tokens=40)) for seed in range(8)]
    batch.join(sequences)
    while batch.live:
        batch.step()
    found = []
    for sequence in sequences:
        ended = sequence.tokens[-1] == stop
        generation = reader._chat.generation(prompt, sequence.tokens, ended, None, 0.0)
        found.append((record(generation), sequence.tokens, sequence.logp))
    return found


def test_an_attempt_is_read_as_it_was_written(reader, made):
    prompt = reader._chat.prompt(MESSAGES)
    ended = [one for one in made if one[0].finish == "stop"]
    assert len(ended) > 4
    readings = reader.read(MESSAGES, [attempt for attempt, _, _ in ended])
    same = 0
    for (attempt, tokens, logp), found in zip(ended, readings, strict=True):
        # A text that was written in unusual tokens is read in the usual ones.
        if reader._chat.attempt(prompt, attempt) == tokens:
            same += 1
            assert found.logp * len(tokens) == pytest.approx(logp, abs=1e-3)
    assert same > len(ended) / 2
    assert readings[0].attention is not None and readings[1].attention is None


def test_earlier_answers_are_found_in_the_prompt(reader):
    ids, where = reader._chat.prompt(MESSAGES).ids, reader._chat.earlier_answers(MESSAGES)
    said = reader._chat._tokenizer.decode([ids[i] for i in where])
    assert said.replace(" ", "") == "512+3"
    assert reader._chat.earlier_answers(MESSAGES[:1]) == []


def test_passes_in_pieces_give_the_attention_of_one_pass(reader, made, monkeypatch):
    attempt = made[0][0]
    prompt = reader._chat.prompt(MESSAGES).ids
    written = reader._chat.attempt(reader._chat.prompt(MESSAGES), attempt)
    ids = torch.tensor([prompt + written])
    with torch.inference_mode():
        weights = reader._model(ids, output_attentions=True).attentions
    seen = reader._chat.earlier_answers(MESSAGES)
    monkeypatch.setattr(reading, "CHUNK", 7)
    (found,) = reader.read(MESSAGES, [attempt])
    for layer, paid in zip(weights, found.attention, strict=True):
        on_prompt = layer[0, :, len(prompt) :, : len(prompt)].sum((0, 1))
        share = on_prompt[seen].sum() / on_prompt.sum()
        assert paid == pytest.approx(float(share) * len(prompt) / len(seen), rel=1e-4)


def test_attention_to_everything_alike_is_1(reader, made):
    for layer in reader._model.base_model.layers:
        layer.self_attn.q_proj.weight.data.zero_()
    (found,) = reader.read(MESSAGES, [made[0][0]])
    assert found.attention == pytest.approx([1.0] * 4, abs=1e-5)


def test_what_failed_or_is_too_long_is_not_read(reader, made):
    attempt = made[0][0]
    failed, long = replace(attempt, finish="error"), replace(attempt, thinking="1 + 1 = 2 " * 2000)
    assert reader.read(MESSAGES, [failed, long, attempt, attempt])[:2] == (None, None)
