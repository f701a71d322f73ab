"""Sampling from OpenAI-compatible servers: vLLM's, OpenAI's, Gemini's and others."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from sample.engines.base import Generation, Message, Request, Served
from sample.engines.endpoints import Endpoints
from sample.engines.replies import Reply, Unanswered, read_reply
from sample.engines.thinking import CLOSE, split_text
from sample.errors import ForageError, UsageError, one_line
from sample.models import TAKEN, OpenAIModel
from sample.records import Failure, Ledger

if TYPE_CHECKING:
    from sample.engines.chat import Chat, Prompt

STREAK = 32
"""Failures in a row, with no answer between them, after which a run stops: each is a record, made
again only if the user asks for it."""
LONGEST_END = 64
"""Tokens of the text by which a server ends thinking, at most."""


class OpenAIEngine:
    """The ``Engine`` of a served model. An asynchronous context manager that closes connections.

    served: what the servers said that they answered with, so far.

    Raises:
        UsageError: the variable with the key is not set, or the tokenizer cannot be loaded.
    """

    def __init__(self, model: OpenAIModel) -> None:
        self._model, self._name = model, model.model
        self._endpoints, self._chat = Endpoints(model), _chat(model)
        self._room = asyncio.Semaphore(model.concurrency)
        self._streak = 0
        self.served: set[Served] = set()

    async def __aenter__(self) -> "OpenAIEngine":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._endpoints.close()

    async def use(self, adapter: str | None) -> None:
        """Ask for an adapter from now on: a folder, which vLLM servers then load under the hash of
        its content, or the name under which the servers have it.

        Raises:
            UsageError: a folder that a server cannot load, or other weights than those of ``path``.
            ForageError: a server does not say what weights it has.
        """
        if self._model.path is not None:
            await self._endpoints.require()
        self._name = adapter or self._model.model
        if adapter is None or not Path(adapter).is_dir():
            return
        if self._model.server != "vllm":
            raise UsageError(
                f"adapter {adapter}: is a folder, which only server: vllm loads; give the name "
                "under which the server has it"
            )
        from sample.engines.adapters import read_lora

        lora = read_lora(adapter)
        await self._endpoints.load_adapter(lora.name, str(lora.path))
        self._name = lora.name

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``. seconds: with all retries, without the wait for a free place.

        A call that failed for good gives a generation with finish "error" and a failure of type
        "timeout", "connection", "unreachable", "rate_limit", "server_error", "refused_key",
        "not_found", "bad_request", "bad_reply", "no_usage", "content_filter" or
        "context_overflow".

        Raises:
            UsageError: wrong key, model, address or parameters before any answer; a prefill without
                vLLM or tokenizer; thinking whose tokens nobody counts, or that its budget does not
                end.
            ForageError: no server can be reached before any answer, or too many calls failed in a
                row.
        """
        if request.prefill:
            self._model.check_prefill(f"model {self._model.model!r}")
        body = _body(self._model, request)
        async with self._room:
            begin = time.perf_counter()
            try:
                reply = read_reply(await self._ask(request, body))
            except Unanswered as error:
                return self._failed(error.failure, begin)
        self._streak = 0
        self.served.add(Served(self._name, reply.model, reply.fingerprint))
        made = self._generation(request, reply, begin)
        self._check_thinking(made, request.decoding.thinking_budget)
        return made

    async def _ask(self, request: Request, body: dict[str, Any]) -> bytes:
        prompt: list[Any] = request.messages
        if request.prefill and self._chat:
            # As ids: many templates do not let an open <think> stand at the end of a last turn.
            prompt = self._chat.prompt(request.messages, request.prefill).ids
            body = {key: value for key, value in body.items() if key != "chat_template_kwargs"}
        return await self._endpoints.ask(self._name, request.problem, prompt, body)

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        """Tokens of the rendered conversation: by ``tokenizer``, else as a vLLM server counts them,
        which is a request each and holds up all others meanwhile.

        Raises:
            UsageError: neither is to be had.
            ForageError: the server does not count.
        """
        if self._chat is not None:
            return len(self._chat.prompt(messages).ids)
        if self._model.server != "vllm":
            raise UsageError(
                f"model {self._model.model!r}: an arm needs the length of prompts, and this server "
                "does not count them; give tokenizer: a folder or Hub id with the same template"
            )
        options = dict(self._model.chat_template)
        return self._endpoints.count_tokens(self._name, messages, options)

    def _failed(self, failure: Failure, begin: float) -> Generation:
        """
        Raises:
            ForageError: too many in a row.
        """
        message = self._endpoints.masked(failure.message)  # before a cut leaves half a key
        failure = Failure(failure.type, one_line(message, 400))
        if failure.type not in ("context_overflow", "content_filter"):
            self._streak += 1
        if self._streak >= STREAK:
            raise ForageError(
                f"{self._streak} calls to {self._model.model!r} failed in a row, the last: "
                f"{failure.type}: {failure.message}; mend this and give the same command again"
            )
        ledger = Ledger(0, None, 0, 0, time.perf_counter() - begin)
        return Generation("", "", "error", ledger, failure)

    def _generation(self, request: Request, reply: Reply, begin: float) -> Generation:
        usage = reply.usage
        if request.prefill and reply.tokens is None:
            raise UsageError(
                f"model {self._model.model!r}: the server gives no token ids, so what it went on "
                "with cannot be told from the begun thinking; update vLLM"
            )
        if self._chat and reply.tokens is not None:
            prompt = self._prompt(self._chat, request, reply.tokens)
            made = self._chat.generation(prompt, reply.tokens, reply.stopped, usage.cached, begin)
            return replace(made, ledger=structs.replace(made.ledger, prompt=usage.prompt))
        thinking, text = reply.thinking.strip(), reply.content.strip()
        if not thinking:
            opened = self._chat is not None and self._chat.opens_thinking(request.messages)
            thinking, text = split_text(reply.content, opened)
        count = self._thinking_tokens(reply, thinking, text)
        seconds = time.perf_counter() - begin
        ledger = Ledger(usage.prompt, usage.cached, count, usage.generated - count, seconds)
        return Generation(thinking, text, reply.finish, ledger)

    @staticmethod
    def _prompt(chat: "Chat", request: Request, tokens: list[int]) -> "Prompt":
        """What of it the split of the tokens asks for: to render and read a long conversation
        takes longer than all else that is done for a request here."""
        from sample.engines.chat import Prompt

        if request.prefill:
            return chat.prompt(request.messages, request.prefill)
        opened = not chat.ends_thinking(tokens) and chat.opens_thinking(request.messages)
        return Prompt([], [], opened)

    def _check_thinking(self, made: Generation, budget: int | None) -> None:
        """A model may think anew after an end that was forced; then a tag stands in its thinking.

        Raises:
            UsageError: the server took no notice of the budget.
        """
        tokens = made.ledger.thinking
        if budget is not None and tokens > budget + LONGEST_END and CLOSE not in made.thinking:
            raise UsageError(
                f"model {self._model.model!r}: {tokens} tokens of thinking in spite of "
                f"thinking_budget {budget}; start vLLM (0.20 or newer) with --reasoning-parser"
            )

    def _thinking_tokens(self, reply: Reply, thinking: str, text: str) -> int:
        usage = reply.usage
        if usage.reasoning is not None:
            return min(usage.reasoning, usage.generated)
        if not thinking or not text:
            return usage.generated if thinking else 0
        if self._chat is None:
            raise UsageError(
                f"model {self._model.model!r}: the server does not count the tokens of thinking; "
                "give tokenizer: a folder or Hub id, or start vLLM with --reasoning-parser"
            )
        return max(0, usage.generated - len(self._chat.encode(text)))


def _chat(model: OpenAIModel) -> "Chat | None":
    if model.tokenizer is None:
        return None
    from sample.engines.chat import Chat
    from sample.engines.loading import load_tokenizer

    try:
        return Chat(load_tokenizer(model.tokenizer), model.chat_template)
    except UsageError as error:
        raise UsageError(
            f"model {model.model!r}: {error}; tokenizer: a folder or Hub id that can be read here"
        ) from None


def _body(model: OpenAIModel, request: Request) -> dict[str, Any]:
    """What is asked beside model and messages: all decoding settings that the server takes."""
    decoding, taken = request.decoding, TAKEN[model.server]
    limit = "max_completion_tokens" if model.server == "openai" else "max_tokens"
    body: dict[str, Any] = {limit: decoding.max_new_tokens}
    for name in ("temperature", "top_p"):
        value = getattr(decoding, name)
        # OpenAI's reasoning models take neither; 1 is what its others do without.
        if model.server != "openai" or value != 1:
            body[name] = value
    if "seed" in taken:
        body["seed"] = request.seed
    if model.server == "vllm":
        # Said in full: what is left out a vLLM server takes from the model's generation config.
        body |= {"top_k": decoding.top_k or -1, "min_p": decoding.min_p, "repetition_penalty": 1.0}
        if decoding.thinking_budget is not None:
            body["thinking_token_budget"] = decoding.thinking_budget
        body |= {"return_token_ids": True, "chat_template_kwargs": dict(model.chat_template)}
    return body | dict(model.extra_body)
