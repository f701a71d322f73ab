"""Conversations as ids of a model, and its ids as a generation: the same for every engine."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase

from sample.engines.base import Decoding, Generation, Message, require_room
from sample.engines.thinking import CLOSE, OPEN, ThinkingTags, prompt_opens_thinking
from sample.errors import UsageError
from sample.records import Attempt, Failure, Ledger

KEPT = 64
"""Prompts that a chat remembers."""
_MARKS = "\ue000\ue001"
"""Private characters around an answer, to see where a template puts it."""


@dataclass(frozen=True)
class Prompt:
    """ids: the whole prompt. begun: its last ids, those of a prefill with the opening tag.

    opened: whether thinking is open where the model goes on.
    """

    ids: list[int]
    begun: list[int]
    opened: bool


class Chat:
    """The chat template, tokenizer and thinking tags of a model.

    options: of the template, e.g. enable_thinking.

    Raises:
        UsageError: no chat template.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any] | None = None
    ) -> None:
        require_chat_template(tokenizer)
        self._tokenizer, self._options = tokenizer, dict(options or {})
        self._tags = ThinkingTags(tokenizer)
        self._kept = lru_cache(KEPT)(self._prompt)

    def prompt(self, messages: list[Message], prefill: str = "") -> Prompt:
        """The rendered conversation, generation prompt and prefill included. Not to be changed:
        those asked for last are kept, because all attempts of a parallel chain have the same."""
        return self._kept(tuple(tuple(message.items()) for message in messages), prefill)

    def _prompt(self, messages: tuple[tuple[tuple[str, str], ...], ...], prefill: str) -> Prompt:
        text = self._render([dict(message) for message in messages])
        opened = prompt_opens_thinking(text)
        begun = self.encode(prefill if opened else f"{OPEN}\n{prefill}") if prefill else []
        return Prompt(self.encode(text) + begun, begun, opened or bool(begun))

    def opens_thinking(self, messages: list[Message]) -> bool:
        """Whether the template leaves thinking open after the conversation."""
        return prompt_opens_thinking(self._render(messages))

    def ends_thinking(self, tokens: list[int]) -> bool:
        """Whether the closing tag is among the ids; False where the tag is no token."""
        return self._tags.close in tokens

    def _render(self, messages: list[Message]) -> str:
        text = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self._options
        )
        assert isinstance(text, str)
        return text

    def earlier_answers(self, messages: list[Message]) -> list[int]:
        """Where in the prompt's ids the earlier answers stand: the texts of its assistant turns.

        Empty if there is none, or the template rewrites them, or the tokenizer cannot tell.
        """
        begin, end = _MARKS
        marked = [
            {**m, "content": f"{begin}{m['content']}{end}"} if m["role"] == "assistant" else m
            for m in messages
        ]
        pieces = re.split(f"[{_MARKS}]", self._render(marked))
        text = "".join(pieces)
        if text != self._render(messages) or not self._tokenizer.is_fast:
            return []
        inside = [number % 2 == 1 for number, piece in enumerate(pieces) for _ in piece]
        offsets = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        spans = offsets["offset_mapping"]
        return [i for i, (start, stop) in enumerate(spans) if any(inside[start:stop])]  # type: ignore[arg-type]

    def attempt(self, prompt: Prompt, made: Attempt) -> list[int]:
        """The ids of a finished attempt after a prompt, spaced as reasoning models write it."""
        opening = "" if prompt.opened else f"{OPEN}\n"
        thought = bool(made.thinking) or prompt.opened
        closing = f"\n{CLOSE}\n\n" if made.text or made.finish == "stop" else ""
        written = f"{opening}{made.thinking}{closing}" if thought else ""
        ends = [self._tokenizer.eos_token_id] if made.finish == "stop" else []
        return self.encode(written + made.text) + ends  # type: ignore[return-value]

    def encode(self, text: str) -> list[int]:
        """The ids of a text as it stands; a template has written the special tokens already."""
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[return-value]

    def generation(
        self, prompt: Prompt, tokens: list[int], stopped: bool, cached: int | None, begin: float
    ) -> Generation:
        """What a model made of a prompt.

        tokens: the generated ids. stopped: the last of them is a stop token, else it was cut off.
        cached: prompt tokens that were in the prefix cache. begin: ``time.perf_counter()`` when
        the call began.
        """
        written = tokens[:-1] if stopped else tokens
        split = self._tags.split([*prompt.begun, *written], prompt.opened)
        thinking = len(tokens) if split.unfinished else split.thinking_tokens - len(prompt.begun)
        seconds = time.perf_counter() - begin
        ledger = Ledger(len(prompt.ids), cached, thinking, len(tokens) - thinking, seconds)
        return Generation(split.thinking, split.text, "stop" if stopped else "length", ledger)


def overflow(
    prompt: Prompt, decoding: Decoding, context: int | None, begin: float
) -> Generation | None:
    """The failed generation of a prompt that leaves too little of the context, else None.

    context: tokens of prompt and generation together, None = no limit.

    Raises:
        UsageError: no prompt at all would leave enough.
    """
    length, room = len(prompt.ids), decoding.max_new_tokens
    if context is None or length + room <= context:
        return None
    require_room(room, context)
    message = f"prompt of {length} + max_new_tokens {room} > context of {context} tokens"
    ledger = Ledger(length, 0, 0, 0, time.perf_counter() - begin)
    return Generation("", "", "error", ledger, Failure("context_overflow", message))


def require_chat_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """
    Raises:
        UsageError: the tokenizer cannot render a conversation.
    """
    if tokenizer.chat_template is None:
        raise UsageError(
            f"model {tokenizer.name_or_path!r}: its tokenizer has no chat template; "
            "choose an instruction-tuned model, or add chat_template.jinja to its folder"
        )
