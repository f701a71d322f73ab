"""The model in training and one of another kind as encoders, against plain forward passes."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    BertTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
)

from sample.engines.loading import load_model
from sample.errors import ForageError, UsageError
from sample.grading import Grade
from train.embedding import Embedding
from train.encoder import TOKENS, _batches, check_encoder, embed
from train.groups import Group
from train.rewards.newness import newness

TEXTS = ["7", "12", "", "3", "12" * 40, "9018"]


def group_of(past, texts, family="sum"):
    def grades(some):
        return tuple(Grade(text, text or None, False) for text in some)

    return Group(family, grades(past), grades(texts), (1,) * len(texts), None, past, texts)


@pytest.fixture
def model(model_folder):
    torch.manual_seed(0)
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    return get_peft_model(load_model(str(model_folder)), lora).train()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(10))]
    words += [f"##{n}" for n in range(10)]
    torch.manual_seed(0)
    sizes = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    BertModel(sizes).save_pretrained(folder)
    vocabulary = {word: n for n, word in enumerate(words)}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    return folder


def plain_mean(model, ids, first, last):
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0]
    return states[first : len(ids) - last].mean(0).numpy()


def test_a_causal_model_reads_each_text_after_a_token_that_is_left_out(model_folder, tokenizer):
    model = load_model(str(model_folder)).base_model
    found = embed(model, tokenizer, TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        ids = [tokenizer.eos_token_id, *tokenizer(text)["input_ids"]]
        expected = plain_mean(model, ids, 1, 0) if text else np.zeros(32)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_special_tokens_of_an_encoder_are_read_and_left_out(bert):
    model, tokenizer = AutoModel.from_pretrained(bert).eval(), check_encoder(str(bert))
    long = "1" * 200
    found = embed(model, tokenizer, [*TEXTS[:3], long])
    for text, vector in zip(TEXTS[:2], found, strict=False):
        ids = tokenizer(text)["input_ids"]
        assert len(ids) == len(text) + 2
        np.testing.assert_allclose(vector, plain_mean(model, ids, 1, 1), atol=1e-5)
    assert not found[2].any()
    # A word of 100 characters and more is one unknown token; digits apart are cut at the context.
    cut = tokenizer(" ".join(long), truncation=True, max_length=63)["input_ids"]
    assert len(cut) == 63
    np.testing.assert_allclose(
        embed(model, tokenizer, [" ".join(long)])[0], plain_mean(model, cut, 1, 1), atol=1e-5
    )


def test_the_adapter_in_training_does_not_change_its_own_measure(model, tokenizer):
    groups = [group_of(("7", "12"), ("7", "3", "")), group_of((), ("1", "2"))]
    embedding = Embedding(["sum"], None)
    before = embedding(groups, model, tokenizer)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    after = embedding(groups, model, tokenizer)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)
        np.testing.assert_array_equal(one.past_vectors, other.past_vectors)
    assert model.training and all(
        parameter.requires_grad == ("lora_" in name) for name, parameter in model.named_parameters()
    )
    new = newness(after[0], "embedding")
    assert new[0] == 0 < new[1] <= 1 == new[2]
    assert after[1].past_vectors.shape == (0, 32) and newness(after[1], "embedding") == [1, 1]


def test_only_the_families_that_ask_are_embedded_and_by_the_encoder_that_is_named(
    model, tokenizer, bert
):
    groups = [group_of(("7",), ("7", "3")), group_of(("7",), ("7", "3"), "other")]
    made, left = Embedding(["sum"], str(bert))(groups, model, tokenizer)
    assert left is groups[1]
    own = embed(AutoModel.from_pretrained(bert).eval(), check_encoder(str(bert)), ["3", "7"])
    np.testing.assert_array_equal(made.vectors, own[[1, 0]])
    assert newness(made, "embedding")[0] == 0 < newness(made, "embedding")[1]


def test_batches_hold_every_row_once_and_no_more_than_they_may():
    lengths = {row: 1 + row * 997 % TOKENS for row in range(40)}
    batches = list(_batches(lengths))
    assert sorted(row for batch in batches for row in batch) == sorted(lengths)
    assert all(len(batch) * max(lengths[r] for r in batch) <= TOKENS for batch in batches)
    assert list(_batches({})) == []


def test_hidden_states_that_are_not_finite_are_told(model_folder, tokenizer):
    model = load_model(str(model_folder)).base_model
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(ForageError, match="not finite"):
        embed(model, tokenizer, ["7"])


def test_what_cannot_embed_is_refused_with_the_key(tmp_path, bert):
    BertConfig().save_pretrained(tmp_path / "alone")
    T5Config().save_pretrained(tmp_path / "t5")
    PreTrainedTokenizerFast.from_pretrained(bert).save_pretrained(tmp_path / "t5")
    for path, words in {
        "no/such/folder": "give a folder, or a Hub id",
        str(tmp_path / "alone"): "with its tokenizer",
        str(tmp_path / "t5"): "t5.*give a model of one stack",
    }.items():
        with pytest.raises(UsageError, match=f"^train.encoder: '{path}'.*{words}") as said:
            check_encoder(path)
        assert "\n" not in str(said.value)
