"""A random Qwen3 of 0.2 M parameters and a word-level tokenizer with thinking tags."""

import pytest
import torch
from misbehaving_server import serving
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

WORDS = 240
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|> {{ m.content }} <|end|> {% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% if opened %} <think>{% endif %}{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<think>", "</think>"]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    words = [*SPECIAL, *(f"w{i}" for i in range(WORDS))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<|pad|>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        chat_template=TEMPLATE,
    )


@pytest.fixture
def make_model():
    """A function from changes of the config to a random model in eval mode."""

    def make(**changes) -> Qwen3ForCausalLM:
        torch.manual_seed(0)
        settings = {
            "vocab_size": WORDS + len(SPECIAL),
            "hidden_size": 96,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 1024,
            "tie_word_embeddings": True,
            "eos_token_id": None,
            "bos_token_id": None,
            "initializer_range": 0.2,
        }
        return Qwen3ForCausalLM(Qwen3Config(**{**settings, **changes})).eval()

    return make


@pytest.fixture
def model(make_model) -> Qwen3ForCausalLM:
    return make_model()


@pytest.fixture(scope="module")
def shared():
    with serving() as server:
        yield server


@pytest.fixture
def server(shared):
    shared.seen.clear()
    shared.keys.clear()
    shared.times.clear()
    shared.naming = {}
    shared.most = 0
    return shared
