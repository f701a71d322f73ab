"""Sampling from a loaded ``transformers`` model, with continuous batching."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sample.engines.base import Generation, Message, Request
from sample.engines.batch import Batch, Sequence
from sample.engines.chat import Chat, overflow
from sample.errors import UsageError

if TYPE_CHECKING:
    from peft import PeftMixedModel, PeftModel

JOIN_SHARE = 8
"""Requests wait to be prefilled together until they are 1 to 8 live ones ..."""
JOIN_PATIENCE = 8
"""... or until this many steps have passed: prefilling one at a time is slow."""


class TransformersEngine:
    """The ``Engine`` of a loaded model; a plain model or one with a PEFT adapter on it.

    model: may be in training; it is put in eval mode while the engine works. After a change of its
    weights it needs another engine, because this one keeps what it has read.
    batch: most sequences at once. chat_template: options of the template, e.g. enable_thinking.

    Raises:
        UsageError: no chat template, or an attention that this engine has no cache or mask for.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel | PeftMixedModel",
        tokenizer: PreTrainedTokenizerBase,
        batch: int = 256,
        chat_template: Mapping[str, Any] | None = None,
    ) -> None:
        if batch < 1:
            raise UsageError(f"batch must be at least 1 (given: {batch})")
        # Adapter layers live inside the base model, so it runs with the adapter.
        inner: Any = model if isinstance(model, PreTrainedModel) else model.get_base_model()
        _require_masked_attention(inner)
        self._model, self._chat = model, Chat(tokenizer, chat_template)
        self._stops = stop_ids(inner, tokenizer)
        self._batch = Batch(inner, batch, sorted(self._stops))
        self._queue: deque[Sequence] = deque()
        self._waited = 0
        self._waiting: dict[Sequence, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``. What runs beside a request changes nothing (see ``sample.engines.batch``
        for where that holds bit for bit).

        A prompt that leaves less than max_new_tokens of the model's context gives a generation
        with finish "error" and failure type "context_overflow".

        Raises:
            ForageError: the model gave logits that are not finite. Errors of the model itself
                come through as they are.
        """
        begin = time.perf_counter()
        prompt = self._chat.prompt(request.messages, request.prefill)
        failed = overflow(prompt, request.decoding, self._batch.context, begin)
        if failed is not None:
            return failed
        sequence = Sequence(prompt.ids, request.seed, request.decoding)
        await self._finished(sequence)
        stopped = sequence.tokens[-1] in self._stops
        return self._chat.generation(prompt, sequence.tokens, stopped, sequence.cached, begin)

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        """Tokens of the rendered conversation, generation prompt included."""
        return len(self._chat.prompt(messages).ids)

    async def _finished(self, sequence: Sequence) -> None:
        """Queue the sequence, see that the loop runs, and wait until its tokens are there."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = future
        self._queue.append(sequence)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            await future
        finally:
            del self._waiting[sequence]
            if sequence in self._queue:  # cancelled before it joined
                self._queue.remove(sequence)

    async def _run(self) -> None:
        try:
            while self._busy:
                await self._work()
                # Those just answered may have a next request; the model is itself meanwhile.
                await asyncio.sleep(0)
        except Exception as error:
            self._abandon(error)
        except BaseException:
            self._abandon(None)
            raise

    async def _work(self) -> None:
        with evaluating(self._model):
            while self._busy:
                self._advance()
                if self._busy:
                    await asyncio.sleep(0)

    @property
    def _busy(self) -> bool:
        return bool(self._queue or self._batch.live)

    def _advance(self) -> None:
        """Let requests join if enough of them wait, then one token for every live sequence."""
        joining = self._joining()
        if joining:
            self._batch.join(joining)
        if self._batch.live:
            for sequence in self._batch.step():
                if sequence in self._waiting:  # else its caller was cancelled
                    _resolve(self._waiting[sequence], None)

    def _joining(self) -> list[Sequence]:
        ready = min(len(self._queue), self._batch.room)
        self._waited += bool(ready)
        if ready * JOIN_SHARE < len(self._batch.live) and self._waited < JOIN_PATIENCE:
            return []
        self._waited = 0
        return [self._queue.popleft() for _ in range(ready)]

    def _abandon(self, error: Exception | None) -> None:
        """Nobody waits for ever: pass the error on, or cancel, and start afresh."""
        self._queue.clear()
        self._batch.clear()
        for future in self._waiting.values():
            _resolve(future, error) if error else future.cancel()


def _resolve(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Eval mode for every module, and afterwards each one's own mode again."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def stop_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    config = model.generation_config
    given = config.eos_token_id if config is not None else None
    ids = {given} if isinstance(given, int) else set(given or ())
    own = tokenizer.eos_token_id
    return ids | ({own} if isinstance(own, int) else set())


def _require_masked_attention(model: PreTrainedModel) -> None:
    kind = model.config._attn_implementation
    if kind not in ("sdpa", "eager"):
        raise UsageError(
            f"model: the transformers engine needs attention 'sdpa' or 'eager' (given: {kind!r}); "
            "load the model with attn_implementation='sdpa'"
        )
