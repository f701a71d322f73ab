"""Whole sampling, from problems to graded records on disk, against each engine on its own.

Both do the same requests: ours makes them, and the engine alone gets them again, rendered, chain
by chain, each request of a sequential chain when the one before it is answered. The embedded model
is so small that a request costs milliseconds: with a larger one (``benchmarks.random_model``)
ratios are nearer to 1. vLLM's processes wait busily, so its CPU seconds contain some of the time
waited.
"""

import asyncio
import importlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, compared
from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding, Engine, Generation, Message, Request
from sample.families import load_problems
from sample.models import OpenAIModel, TransformersModel, VllmModel
from sample.problems import Problem
from sample.scheduler import Plan, run_system
from sample.store import AttemptStore

DECODING = Decoding(max_new_tokens=48)
OPTIONS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip
FLAGS = ["--dtype", "float32", "--gpu-memory-utilization", "0.1", "--enforce-eager",
         "--no-enable-chunked-prefill", "--max-num-batched-tokens", "8192",
         "--enable-prompt-tokens-details"]  # fmt: skip
ARGUMENTS = {"gpu_memory_utilization": 0.1, "enforce_eager": True}

Alone = Callable[[list[list[Request]]], Awaitable[int]]
"""The engine on its own: chains of requests -> tokens generated."""


@dataclass(frozen=True)
class Contest:
    """fresh: the engine, with nothing cached of an earlier run that ``alone`` has not too."""

    name: str
    fresh: Callable[[], Awaitable[Engine]]
    alone: Alone


class Recorder:
    """An engine that notes what it is asked, by chain."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.chains: dict[str, list[Request]] = {}

    async def generate(self, request: Request) -> Generation:
        self.chains.setdefault(request.problem, []).append(request)
        return await self._engine.generate(request)

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        return self._engine.count_prompt_tokens(messages)


async def rows(contest: Contest, count: int, repeats: int) -> list[Row]:
    """Both arms of one engine. count: problems, 8 attempts each."""
    problems = load_problems("c", ProblemConfig("countdown", count=count, options=OPTIONS))
    found = []
    for arm in ("parallel", "sequential"):
        recorder = Recorder(await contest.fresh())
        _, cached = await _sampled(recorder, arm, problems)  # warms up, too
        chains = list(recorder.chains.values())
        if arm == "parallel":
            chains = [[request] for chain in chains for request in chain]

        async def ours(arm: str = arm) -> int:
            return (await _sampled(await contest.fresh(), arm, problems))[0]

        async def alone(chains: list[list[Request]] = chains) -> int:
            return await contest.alone(chains)

        what = f"{contest.name}, {arm}: all of sampling / the engine alone"
        found.append(await compared(what, ours, alone, repeats, 0.95))
        share = "the engine does not say" if cached is None else f"{cached:.0%}"
        found.append(Row(f"{contest.name}, {arm}: prompt tokens from the prefix cache", share))
    return found


async def _sampled(engine: Engine, arm: str, problems: list[Problem]) -> tuple[int, float | None]:
    """Tokens generated, and the share of prompt tokens that were cached."""
    groups = tuple((problem, 0) for problem in problems)
    plan = Plan("base", {arm: ArmConfig(arm)}, groups, 8, DECODING, 1, "benchmark")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attempts.jsonl"
        with AttemptStore(path) as store:
            await run_system(engine, plan, (), store.append, 1024)
        ledgers = [json.loads(line)["ledger"] for line in path.open()]
    cached = [ledger["cached"] for ledger in ledgers]
    share = None if None in cached else sum(cached) / sum(ledger["prompt"] for ledger in ledgers)
    return sum(ledger["thinking"] + ledger["answer"] for ledger in ledgers), share


async def _walked(
    chains: list[list[Request]], ask: Callable[[Request], Awaitable[int]], at_once: int
) -> int:
    """All chains side by side, one request of a chain after the other."""
    room = asyncio.Semaphore(at_once)

    async def one(request: Request) -> int:
        async with room:
            return await ask(request)

    async def walk(chain: list[Request]) -> int:
        return sum([await one(request) for request in chain])

    return sum(await asyncio.gather(*(walk(chain) for chain in chains)))


@asynccontextmanager
async def transformers(path: str) -> AsyncIterator[Contest]:
    """path: folder of the model."""
    import torch

    from sample.engines.batch import Batch, Sequence
    from sample.engines.chat import Chat
    from sample.engines.loading import load_model, load_tokenizer
    from sample.engines.transformers import JOIN_SHARE, TransformersEngine

    torch.set_num_threads(1)
    model, tokenizer = load_model(path), load_tokenizer(path)
    chat, stops = Chat(tokenizer), [int(tokenizer.eos_token_id)]  # type: ignore[arg-type]
    slots = TransformersModel(path).batch
    tokens: dict[int, list[int]] = {}  # by seed, so that only the first run renders

    async def fresh() -> Engine:
        return TransformersEngine(model, tokenizer, slots)

    def sequence(request: Request) -> Sequence:
        if request.seed not in tokens:
            tokens[request.seed] = chat.prompt(request.messages).ids
        return Sequence(tokens[request.seed], request.seed, request.decoding)

    async def alone(chains: list[list[Request]]) -> int:
        batch, waiting, after, made = Batch(model, slots, stops), deque(), {}, 0

        def queue(chain: Iterator[Request]) -> None:
            if request := next(chain, None):
                waiting.append(sequence(request))
                after[waiting[-1]] = chain

        for chain in chains:
            queue(iter(chain))
        while waiting or batch.live:
            ready = min(len(waiting), batch.room)
            if ready and ready * JOIN_SHARE >= len(batch.live):
                batch.join([waiting.popleft() for _ in range(ready)])
            for done in batch.step():
                made += len(done.tokens)
                queue(after.pop(done))
        return made

    yield Contest("transformers", fresh, alone)


@asynccontextmanager
async def vllm(path: str) -> AsyncIterator[Contest]:
    """path: folder of the model."""
    from transformers import AutoTokenizer
    from vllm import SamplingParams  # pyright: ignore[reportMissingImports]
    from vllm.sampling_params import RequestOutputKind  # pyright: ignore[reportMissingImports]

    from sample.engines.vllm import VllmCore

    tokenizer, numbers = AutoTokenizer.from_pretrained(path), itertools.count()
    texts: dict[int, str] = {}  # by seed, so that only the first run renders
    model = VllmModel(path, arguments=ARGUMENTS)
    with VllmCore(model) as core:

        async def ask(request: Request) -> int:
            if request.seed not in texts:
                texts[request.seed] = tokenizer.apply_chat_template(
                    request.messages, tokenize=False, add_generation_prompt=True
                )  # type: ignore[assignment]
            parameters = SamplingParams(
                max_tokens=DECODING.max_new_tokens, seed=request.seed,
                output_kind=RequestOutputKind.FINAL_ONLY,
            )  # fmt: skip
            stream = core._llm.generate(texts[request.seed], parameters, f"a{next(numbers)}")
            return [len(output.outputs[0].token_ids) async for output in stream][-1]

        yield Contest("vllm", core.engine, lambda chains: _walked(chains, ask, 1024))


@asynccontextmanager
async def openai(path: str, log: Path) -> AsyncIterator[Contest]:
    """path: folder of the model. log: where the vLLM server prints."""
    import aiohttp  # pyright: ignore[reportMissingImports]

    importlib.import_module("vllm")
    from sample.engines.openai import OpenAIEngine, _body

    with _server(path, log) as url:
        model = OpenAIModel("anchored", (url,), tokenizer=path)
        connector = aiohttp.TCPConnector(limit=model.concurrency, keepalive_timeout=2)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(request: Request) -> int:
                body = {
                    "model": "anchored",
                    "messages": request.messages,
                    **_body(model, request),
                }
                async with session.post(f"{url}/chat/completions", json=body) as reply:
                    return (await reply.json())["usage"]["completion_tokens"]

            async with OpenAIEngine(model) as engine:

                async def fresh() -> Engine:
                    return engine

                alone = lambda chains: _walked(chains, ask, model.concurrency)  # noqa: E731
                yield Contest("openai", fresh, alone)


@contextmanager
def _server(path: str, log: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", path,
               "--served-model-name", "anchored", "--host", "127.0.0.1", "--port", str(port),
               *FLAGS]  # fmt: skip
    environment = {**os.environ, "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as out:
        server: Any = subprocess.Popen(
            command, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_until_healthy(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    raise OSError(f"the server ended: {log.read_text()[-300:]}")
