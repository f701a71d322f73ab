import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from sample.engines.thinking import ThinkingTags, prompt_opens_thinking


@pytest.fixture(scope="module")
def letters() -> PreTrainedTokenizerFast:
    """One token a character: no tag is a token."""
    vocabulary = {chr(i): i - 32 for i in range(32, 127)}
    inner = Tokenizer(models.WordLevel(vocabulary, "?"))
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")  # type: ignore[assignment]
    inner.decoder = decoders.Fuse()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=inner)


@pytest.mark.parametrize(
    ("written", "opened", "thinking", "text", "count", "unfinished"),
    [
        ("<think> w1 w2 </think> w3", False, "w1 w2", "w3", 4, False),
        ("w1 </think> w3 w4", True, "w1", "w3 w4", 2, False),
        ("w1 </think> w2", False, "w1", "w2", 2, False),
        ("<think> w1 </think> w2 </think> w3", False, "w1 </think> w2", "w3", 5, False),
        ("<think> </think> w1", False, "", "w1", 2, False),
        ("<think> w1 w2", False, "w1 w2", "", 3, True),
        ("w1 w2", True, "w1 w2", "", 2, True),
        ("w1 w2", False, "", "w1 w2", 0, False),
        ("<think> w1 </think>", False, "w1", "", 3, False),
        ("", False, "", "", 0, False),
        ("", True, "", "", 0, True),
    ],
)
def test_split(tokenizer, written, opened, thinking, text, count, unfinished):
    tokens = tokenizer(written, add_special_tokens=False)["input_ids"]
    split = ThinkingTags(tokenizer).split(tokens, opened)
    assert (split.thinking, split.text) == (thinking, text)
    assert (split.thinking_tokens, split.unfinished) == (count, unfinished)


@pytest.mark.parametrize(
    ("written", "thinking", "text", "count"),
    [
        ("<think>a b</think> c", "a b", "c", 18),
        ("<think>a</think>b</think>c", "a</think>b", "c", 25),
        ("plain", "", "plain", 0),
        ("<think>a", "a", "", 8),
    ],
)
def test_split_where_the_tag_is_ordinary_text(letters, written, thinking, text, count):
    tokens = letters(written, add_special_tokens=False)["input_ids"]
    split = ThinkingTags(letters).split(tokens, opened=False)
    assert (split.thinking, split.text, split.thinking_tokens) == (thinking, text, count)


def test_prompt_opens_thinking():
    assert prompt_opens_thinking("<|assistant|><think>\n")
    assert not prompt_opens_thinking("<|assistant|><think>\n\n</think>\n\n")
    assert not prompt_opens_thinking("what does <think> mean? <|assistant|>")
