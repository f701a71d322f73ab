"""Thinking and answer: what a reasoning model wrote before and after ``</think>``."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

OPEN, CLOSE = "<think>", "</think>"
TEXT_TAGS = ((OPEN, CLOSE), ("<thought>", "</thought>"))
"""Tags in the texts of servers; the second as Gemini's OpenAI-compatible endpoint writes them
(web-infra-dev/midscene#2613)."""


@dataclass(frozen=True)
class Split:
    """thinking, text: stripped, tags removed.

    thinking_tokens: how many tokens up to and including the closing tag; the others are the
    answer's. unfinished: thinking was begun and never closed, so all tokens are thinking.
    """

    thinking: str
    text: str
    thinking_tokens: int
    unfinished: bool = False


def prompt_opens_thinking(prompt: str) -> bool:
    """Whether the chat template wrote the opening tag itself, as DeepSeek-R1's does."""
    return prompt.rstrip().endswith(OPEN)


class ThinkingTags:
    """The tags as one tokenizer spells them: one token each, or ordinary text.

    close: the id of the closing tag, None where it is text.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        vocabulary = tokenizer.get_vocab()
        self._tokenizer = tokenizer
        self._open, self.close = vocabulary.get(OPEN), vocabulary.get(CLOSE)

    def split(self, tokens: list[int], opened: bool) -> Split:
        """Split at the last closing tag.

        tokens: the generated ids without the stop token. opened: see ``prompt_opens_thinking``.
        """
        if self.close in tokens:
            end = len(tokens) - tokens[::-1].index(self.close)
            return Split(
                _bare(self._decode(tokens[: end - 1])), self._decode(tokens[end:]).strip(), end
            )
        whole = self._decode(tokens)
        if self.close is None and CLOSE in whole:
            thinking, _, text = whole.rpartition(CLOSE)
            return Split(_bare(thinking), text.strip(), self._end_in_text(tokens))
        if opened or self._open in tokens or whole.lstrip().startswith(OPEN):
            return Split(_bare(whole), "", len(tokens), unfinished=True)
        return Split("", whole.strip(), 0)

    def _end_in_text(self, tokens: list[int]) -> int:
        """Index just after the token that completes the last tag, by bisection on the text."""
        tags = self._decode(tokens).count(CLOSE)
        low, high = 0, len(tokens)
        while high - low > 1:
            middle = (low + high) // 2
            if self._decode(tokens[:middle]).count(CLOSE) == tags:
                high = middle
            else:
                low = middle
        return high

    def _decode(self, tokens: list[int]) -> str:
        text = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)
        return text


def split_text(written: str, opened: bool = False) -> tuple[str, str]:
    """Thinking and answer of a text whose tokens are not at hand; see ``ThinkingTags.split``."""
    for tag, close in TEXT_TAGS:
        if close in written:
            thinking, _, text = written.rpartition(close)
            return _bare(thinking, tag), text.strip()
        if written.lstrip().startswith(tag):
            return _bare(written, tag), ""
    return (written.strip(), "") if opened else ("", written.strip())


def _bare(thinking: str, tag: str = OPEN) -> str:
    return thinking.strip().removeprefix(tag).strip()
