"""Tokens a second of the vllm engine against vLLM alone, on one running vLLM, in turns.

    python -m benchmarks.vllm_overhead [--model models/anchored] [--requests 256] [--repeats 3]

vLLM alone gets rendered texts all at once and gives texts back; the engine gets conversations and
gives records of thinking, answer and tokens. Both draw with the same seeds, so the same tokens.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer
from vllm import SamplingParams  # pyright: ignore
from vllm.sampling_params import RequestOutputKind  # pyright: ignore

from sample.config import ProblemConfig
from sample.engines.base import Decoding, Request
from sample.engines.vllm import VllmCore
from sample.families import load_problems
from sample.models import VllmModel
from sample.prompts import conversation
from sample.seeds import derive_seed

DECODING = Decoding(max_new_tokens=48)
OPTIONS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip


def make_requests(count: int) -> list[Request]:
    problems = load_problems("c", ProblemConfig("countdown", count=count, options=OPTIONS))
    return [
        Request(
            conversation(p.question, ["1 + 2 + 3"] * (i % 8)), derive_seed("speed", i), DECODING
        )
        for i, p in enumerate(problems)
    ]


async def alone(core: VllmCore, texts: list[str], requests: list[Request]) -> int:
    async def one(index: int) -> int:
        parameters = SamplingParams(
            max_tokens=DECODING.max_new_tokens, seed=requests[index].seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )  # fmt: skip
        name = f"alone {index} {time.monotonic_ns()}"
        stream = core._llm.generate(texts[index], parameters, name)
        return [len(output.outputs[0].token_ids) async for output in stream][-1]

    return sum(await asyncio.gather(*(one(index) for index in range(len(texts)))))


async def measure(model: VllmModel, requests: list[Request], repeats: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model.path)
    texts = [
        tokenizer.apply_chat_template(r.messages, tokenize=False, add_generation_prompt=True)
        for r in requests
    ]
    with VllmCore(model) as core:
        engine = await core.engine()

        async def ours() -> int:
            made = await asyncio.gather(*(engine.generate(request) for request in requests))
            return sum(generation.ledger.generated for generation in made)

        runs = {"vLLM alone": lambda: alone(core, texts, requests), "engine": ours}
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(1 + repeats):
            for name, run in runs.items():
                rates[name].append(await timed(run))
    show({name: measured[1:] for name, measured in rates.items()})  # the first only warms up


async def timed(run: Callable[[], Awaitable[int]]) -> float:
    """Tokens a second of wall clock."""
    begin = time.perf_counter()
    return await run() / (time.perf_counter() - begin)


def show(rates: dict[str, list[float]]) -> None:
    table = Table("sampler", "tokens/s, best", "all", "ratio of bests")
    best = {name: max(all_of_them) for name, all_of_them in rates.items()}
    for name, all_of_them in rates.items():
        runs = ", ".join(f"{rate:.0f}" for rate in all_of_them)
        table.add_row(name, f"{best[name]:.0f}", runs, f"{best[name] / best['vLLM alone']:.2f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="models/anchored")
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    arguments = {"gpu_memory_utilization": 0.1, "enforce_eager": True}
    model = VllmModel(options.model, arguments=arguments)
    asyncio.run(measure(model, make_requests(options.requests), options.repeats))


if __name__ == "__main__":
    main()
