"""Attempts of the adapter under training from vLLM, beside the trainer or on servers.

The adapter alone travels, as a LoRA folder that vLLM loads before every step. TRL's own way merges
it into the model's weights, sends them all and subtracts it again, which wears 16-bit weights down
(huggingface/trl#6688). vLLM rounds in another way than the trainer does, so its log-probabilities
go to the trainer, which weights the loss by the ratio of the two.
"""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from accelerate import PartialState

from sample.engines.adapters import LoraFolder, read_lora
from sample.engines.base import Decoding, Generation, Message, Request
from sample.engines.batch import Sequence
from sample.engines.chat import Chat, overflow
from sample.errors import ForageError
from sample.models import OpenAIModel, TransformersModel, VllmModel
from train.hardware import VllmSampling
from train.samplers import Walk
from train.weights import save_adapter, whole_weights

T = TypeVar("T")

LAUNCH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK",
          "MASTER_ADDR", "MASTER_PORT")  # fmt: skip
"""With these, and those of torchelastic, a vLLM would take itself for a part of the launch."""


@dataclass(frozen=True)
class Drawn:
    """A generation. logprobs: of each token, under the distribution that it was drawn from."""

    tokens: list[int]
    logprobs: list[float]
    stopped: bool


class Source(Protocol):
    """A vLLM, or several servers of it. common: whether all processes draw from the same."""

    common: bool

    async def open(self, lora: LoraFolder | None) -> int:
        """Be ready for adapters like this one, or for none; gives the tokens of the longest
        context."""
        ...

    async def load(self, lora: LoraFolder, *, only_name: bool) -> None:
        """Draw from this adapter from now on. only_name: another process has it loaded."""
        ...

    async def draw(self, ids: list[int], seed: int, decoding: Decoding, adapted: bool) -> Drawn:
        """adapted: from the adapter that was loaded last, else from the model without any."""
        ...

    async def close(self) -> None: ...


class VllmSampler:
    """See ``Sampler``. folder: where the adapter lies while it is loaded.

    Until a trainer is attached there is no adapter, and it draws from the untouched model.
    """

    def __init__(self, source: Source, chat: Chat, decoding: Decoding, folder: Path) -> None:
        self._source, self._chat, self._decoding, self._folder = source, chat, decoding, folder
        # The connections to vLLM belong to one event loop.
        self._loop, self._state = asyncio.Runner(), PartialState()
        self._context: int | None = None
        self._trainer: Any = None

    def attach(self, trainer: Any) -> None:
        """To TRL this stands for its own vLLM: it has the adapter sent before a step's attempts,
        and weights the loss by the importance of tokens that another program drew."""
        self._trainer = trainer
        trainer.use_vllm, trainer.vllm_generation = True, self
        trainer._last_loaded_step = self._sent = -1

    def walk(self, model: Any, tokenizer: Any, work: Walk[T], untouched: bool = False) -> T:
        adapted = self._trainer is not None
        if adapted:
            self.sync_weights()
        elif self._context is None:
            self._context = self._loop.run(self._source.open(None))
        assert self._context is not None
        engine = VllmTokens(self._source, self._chat, self._context, adapted and not untouched)

        async def worked() -> T:
            return await work(engine, self._context)

        return self._loop.run(worked())

    def draw(
        self, model: Any, sequences: list[Sequence], stops: set[int], scored: bool
    ) -> list[list[float]]:
        """See ``Sampler``; scores are of the distribution that was drawn from."""
        adapted = self._trainer is not None

        async def all_of_them() -> list[Drawn]:
            return await asyncio.gather(
                *(self._source.draw(s.prompt, s.seed, self._decoding, adapted) for s in sequences)
            )

        drawn = self._loop.run(all_of_them())
        for sequence, made in zip(sequences, drawn, strict=True):
            sequence.tokens, sequence.logp = made.tokens, sum(made.logprobs)
        return [made.logprobs for made in drawn]

    def sync_weights(self) -> None:
        """Have vLLM load the adapter as it is now; nothing to do if it has it."""
        step = self._trainer.state.global_step
        if step == self._sent:
            return
        weights, folder = whole_weights(self._trainer.model), self._folder / f"step-{step}"
        if self._state.is_main_process:
            save_adapter(self._trainer.model, weights, folder)
        self._state.wait_for_everyone()
        self._loop.run(self._load(read_lora(str(folder))))
        self._state.wait_for_everyone()
        if self._state.is_main_process:
            shutil.rmtree(folder)
        self._sent = step

    def close(self) -> None:
        self._loop.run(self._source.close())
        self._loop.close()

    async def _load(self, lora: LoraFolder) -> None:
        if self._context is None:
            self._context = await self._source.open(lora)
        first = self._state.is_main_process or not self._source.common
        if first:
            await self._source.load(lora, only_name=False)
        self._state.wait_for_everyone()
        if not first:
            await self._source.load(lora, only_name=True)


class VllmTokens:
    """The ``Engine`` over a source, for histories. adapted: see ``Source.draw``."""

    def __init__(self, source: Source, chat: Chat, context: int, adapted: bool) -> None:
        self._source, self._chat, self._context = source, chat, context
        self._adapted = adapted

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``; failures as in ``TransformersEngine``."""
        begin = time.perf_counter()
        prompt = self._chat.prompt(request.messages)
        failed = overflow(prompt, request.decoding, self._context, begin)
        if failed is not None:
            return failed
        drawn = await self._source.draw(prompt.ids, request.seed, request.decoding, self._adapted)
        return self._chat.generation(prompt, drawn.tokens, drawn.stopped, None, begin)

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        return len(self._chat.prompt(messages).ids)


class Colocated:
    """A vLLM of this process, which shares the GPU with the trainer."""

    common = False

    def __init__(self, model: TransformersModel, settings: VllmSampling) -> None:
        arguments = {
            "gpu_memory_utilization": settings.memory,
            "logprobs_mode": "processed_logprobs",
            **settings.arguments,
        }
        self._model = VllmModel(
            model.path,
            dtype=model.dtype,
            batch=model.batch,
            chat_template=model.chat_template,
            arguments=arguments,
        )
        self._core: Any = None

    async def open(self, lora: LoraFolder | None) -> int:
        from sample.engines.vllm import VllmCore

        with _apart(PartialState().local_process_index, PartialState().num_processes):
            self._core = VllmCore(self._model, [str(lora.path)] if lora else [])
        return self._core.context

    async def load(self, lora: LoraFolder, *, only_name: bool) -> None:
        self._lora = await self._core.load(lora)

    async def draw(self, ids: list[int], seed: int, decoding: Decoding, adapted: bool) -> Drawn:
        """
        Raises:
            ForageError: vLLM has died, or ended the request for a reason of its own.
        """
        lora = self._lora if adapted else None
        output = await self._core.finished(ids, decoding, seed, lora, logprobs=True)
        made = output.outputs[0]
        _require_end(made.finish_reason)
        tokens = list(made.token_ids)
        chosen = zip(tokens, made.logprobs, strict=True)
        logprobs = [position[token].logprob for token, position in chosen]
        return Drawn(tokens, logprobs, made.finish_reason == "stop")

    async def close(self) -> None:
        if self._core is not None:
            self._core.__exit__()


class Servers:
    """Running vLLM servers, which all processes share."""

    common = True

    def __init__(self, model: TransformersModel, settings: VllmSampling) -> None:
        from sample.engines.endpoints import Endpoints

        self._name = settings.name or model.path
        served = OpenAIModel(self._name, settings.urls, concurrency=model.batch)
        self._endpoints, self._room = Endpoints(served), asyncio.Semaphore(model.batch)
        self._lora: str | None = None

    async def open(self, lora: LoraFolder | None) -> int:
        return await self._endpoints.context(self._name)

    async def load(self, lora: LoraFolder, *, only_name: bool) -> None:
        if not only_name:
            await self._endpoints.load_adapter(lora.name, str(lora.path))
            if self._lora not in (None, lora.name):
                await self._endpoints.drop_adapter(str(self._lora))
        self._lora = lora.name

    async def draw(self, ids: list[int], seed: int, decoding: Decoding, adapted: bool) -> Drawn:
        """
        Raises:
            ForageError: a call failed for good; training cannot go on without its attempt.
        """
        from sample.engines.replies import Unanswered

        name = self._lora if adapted else self._name
        assert name is not None
        body = _completion_body(seed, decoding)
        # A group's requests share their prompt, which one server then has in its cache.
        place = str(hash(tuple(ids)))
        try:
            async with self._room:
                reply = await self._endpoints.ask(name, place, ids, body)
            return _read_completion(json.loads(reply))
        except (Unanswered, ValueError, LookupError, TypeError) as error:
            raise ForageError(
                f"train: a vLLM server gave no attempt ({error}); mend this and give the same "
                "command again to go on from the last checkpoint"
            ) from error

    async def close(self) -> None:
        if self._lora is not None and PartialState().is_main_process:
            await self._endpoints.drop_adapter(self._lora)
        await self._endpoints.close()


def _completion_body(seed: int, decoding: Decoding) -> dict[str, Any]:
    return {
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "top_k": decoding.top_k or -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "seed": seed,
        "logprobs": 0,
        "return_token_ids": True,
    }


def _read_completion(reply: Mapping[str, Any]) -> Drawn:
    choice = reply["choices"][0]
    _require_end(choice["finish_reason"])
    tokens, logprobs = choice["token_ids"], choice["logprobs"]["token_logprobs"]
    if len(tokens) != len(logprobs):
        raise ValueError(f"{len(tokens)} tokens with {len(logprobs)} log-probabilities")
    return Drawn(tokens, logprobs, choice["finish_reason"] == "stop")


def _require_end(reason: str | None) -> None:
    if reason not in ("stop", "length"):
        raise ForageError(f"train: vLLM ended an attempt: {reason}; see its log")


@contextmanager
def _apart(index: int, count: int) -> Iterator[None]:
    """An environment in which vLLM starts as a program of its own, on this process's GPU."""
    before = dict(os.environ)
    for name in [n for n in before if n in LAUNCH or n.startswith("TORCHELASTIC_")]:
        del os.environ[name]
    if count > 1:
        visible = before.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[index] if visible != [""] else str(index)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def vllm_sampler(
    settings: VllmSampling, model: TransformersModel, chat: Chat, decoding: Decoding, folder: Path
) -> VllmSampler:
    source = Servers if settings.mode == "server" else Colocated
    return VllmSampler(source(model, settings), chat, decoding, folder)
