"""Sampling from vLLM's asynchronous engine: continuous batching, prefix caching, LoRA."""
# vLLM is an extra; where it is not installed, its imports cannot be checked.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig

from sample.config import refuse_unknown_keys
from sample.engines.adapters import LoraFolder, read_lora, require_same_base
from sample.engines.base import Decoding, Generation, Message, Request
from sample.engines.chat import Chat, overflow
from sample.engines.loading import load_tokenizer
from sample.engines.thinking import CLOSE, OPEN
from sample.errors import ForageError, UsageError, one_line
from sample.models import LORA_RANKS, VllmModel
from sample.records import Failure, Ledger

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest

CPU_ARGUMENTS = {"enable_chunked_prefill": False, "max_num_batched_tokens": 8192}
"""On CPU vLLM 0.31 dies of a seeded request whose prompt is prefilled in pieces."""
INSTALL = "pip install -e '.[vllm]'"


class VllmCore:
    """A running vLLM with a model's weights, shared by the engines of the model and its adapters.

    A context manager that ends vLLM's processes. It belongs to the event loop it is entered in.
    Use one engine after the other: on a CPU, vLLM 0.31 lets an adapter act on all requests of a
    batch, those of the bare model too (measured; a GPU's kernels leave them out).

    ends_thinking: whether requests have a thinking_budget.

    Raises:
        UsageError: vLLM is not installed, has no such argument, or cannot take model or adapter.
        ForageError: vLLM did not start.
    """

    def __init__(
        self, model: VllmModel, adapters: Sequence[str] = (), *, ends_thinking: bool = False
    ) -> None:
        self._loras = {path: read_lora(path) for path in adapters}
        for lora in self._loras.values():
            require_same_base(lora.path, lora.base, model.path)
        self._chat = Chat(load_tokenizer(model.path), model.chat_template)
        self._llm = _start(model, list(self._loras.values()), ends_thinking)
        self._ids = itertools.count()

    def __enter__(self) -> "VllmCore":
        return self

    def __exit__(self, *_: object) -> None:
        self._llm.shutdown()

    async def engine(self, adapter: str | None = None) -> "VllmEngine":
        """The engine of the model, or of one of the adapters that the core was made with."""
        if adapter is None:
            return VllmEngine(self, self._chat, None)
        return VllmEngine(self, self._chat, await self.load(self._loras[adapter]))

    async def load(self, lora: LoraFolder) -> "LoRARequest":
        """Load an adapter; no rank may exceed those that the core was made with.

        Raises:
            UsageError: vLLM cannot.
        """
        from vllm.lora.request import LoRARequest

        request = LoRARequest(lora.name, lora.number, str(lora.path))
        try:
            await self._llm.add_lora(request)
        except Exception as error:
            raise UsageError(
                f"adapter {lora.path}: vLLM cannot load it: {one_line(error)}"
            ) from error
        return request

    @property
    def context(self) -> int:
        return self._llm.model_config.max_model_len

    async def finished(
        self,
        ids: list[int],
        decoding: Decoding,
        seed: int,
        lora: "LoRARequest | None",
        logprobs: bool = False,
    ) -> Any:
        """vLLM's ``RequestOutput`` of a whole generation; logprobs: of the drawn tokens too.

        Raises:
            ForageError: vLLM has died.
        """
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        # vLLM adds the stop tokens of the generation config and of the tokenizer by itself.
        parameters = SamplingParams(
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            top_k=decoding.top_k,
            min_p=decoding.min_p,
            max_tokens=decoding.max_new_tokens,
            seed=seed,
            thinking_token_budget=decoding.thinking_budget,
            logprobs=0 if logprobs else None,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt = TokensPrompt(prompt_token_ids=ids)
        stream = self._llm.generate(prompt, parameters, str(next(self._ids)), lora_request=lora)
        try:
            return [output async for output in stream][-1]
        except EngineDeadError as error:
            raise ForageError(
                "vLLM died; the cause stands in the worker's log under logs/ in the run folder; "
                "give the same command again to go on from here"
            ) from error


class VllmEngine:
    """The ``Engine`` of a model in vLLM, with or without one of its adapters."""

    def __init__(self, core: VllmCore, chat: Chat, lora: "LoRARequest | None") -> None:
        self._core, self._chat, self._lora = core, chat, lora

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``; failures as in ``TransformersEngine``."""
        begin = time.perf_counter()
        prompt = self._chat.prompt(request.messages, request.prefill)
        failed = overflow(prompt, request.decoding, self._core.context, begin)
        if failed is not None:
            return failed
        output = await self._core.finished(prompt.ids, request.decoding, request.seed, self._lora)
        written = output.outputs[0]
        if written.finish_reason not in ("stop", "length"):
            failure = Failure("vllm", f"vLLM ended the request: {written.finish_reason}")
            ledger = Ledger(len(prompt.ids), None, 0, 0, time.perf_counter() - begin)
            return Generation("", "", "error", ledger, failure)
        stopped = written.finish_reason == "stop"
        cached = output.num_cached_tokens
        return self._chat.generation(prompt, list(written.token_ids), stopped, cached, begin)

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        """Tokens of the rendered conversation, generation prompt included."""
        return len(self._chat.prompt(messages).ids)


def _start(model: VllmModel, loras: list[LoraFolder], ends_thinking: bool) -> Any:
    # vLLM sends usage statistics to its makers unless told not to.
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise UsageError(f"engine vllm needs vLLM ({one_line(error)}): {INSTALL}") from error
    known = {field.name for field in fields(AsyncEngineArgs)}
    refuse_unknown_keys(model.arguments, known, "arguments")
    try:
        arguments = _arguments(model, loras) | (_thinking_ends() if ends_thinking else {})
        config = AsyncEngineArgs(**arguments).create_engine_config()
    except (ValueError, TypeError, AssertionError, OSError) as error:
        raise UsageError(f"model {model.path!r}: vLLM refuses it: {one_line(error)}") from error
    try:
        return AsyncLLM.from_vllm_config(config, disable_log_stats=True)
    except RuntimeError as error:
        raise ForageError(
            f"model {model.path!r}: vLLM did not start: {one_line(error)} (the cause stands "
            "above it in the worker's log, under logs/ in the run folder)"
        ) from error


def _arguments(model: VllmModel, loras: list[LoraFolder]) -> dict[str, Any]:
    from vllm.platforms import current_platform

    own = {"model": model.path, "dtype": _dtype(model), "max_num_seqs": model.batch}
    if loras:
        rank = max(lora.rank for lora in loras)
        fitting = next((known for known in LORA_RANKS if known >= rank), rank)
        own |= {"enable_lora": True, "max_lora_rank": fitting}
    if current_platform.is_cpu():
        own |= CPU_ARGUMENTS
    return own | dict(model.arguments)


def _thinking_ends() -> dict[str, Any]:
    """What vLLM must know to force the end of thinking: the tags as this package reads them."""
    from vllm.config import ReasoningConfig

    return {"reasoning_config": ReasoningConfig(reasoning_start_str=OPEN, reasoning_end_str=CLOSE)}


def _dtype(model: VllmModel) -> str:
    """As for transformers, "auto" is as saved; vLLM would round float32 weights to 16 bits."""
    if model.dtype != "auto":
        return model.dtype
    saved = AutoConfig.from_pretrained(model.path).get_text_config().dtype
    return "float32" if saved == torch.float32 else "auto"
