"""Tokens a second of the transformers engine against plain ``generate`` in fixed batches.

    python -m benchmarks.sampling [--requests 512] [--batch 256] [--repeats 3]

A random Qwen3 of 1 M parameters, prompts of 30 to 150 tokens, 1 to 48 new tokens a request (24 on
average), one thread, temperature 1. Both draw the same number of tokens for each request: end
tokens are off and a request stops at its own length, so that the work does not hang on luck.
Plain ``generate`` takes the requests in batches, each as long as its longest request.
"""

import argparse
import asyncio
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from sample.engines.base import Decoding, Request
from sample.engines.transformers import TransformersEngine

VOCABULARY = 900
TEMPLATE = "{% for m in messages %}{{ m.content }} {% endfor %}"


def make_model() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=128, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, head_dim=32, max_position_embeddings=1024,
        tie_word_embeddings=True, eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    return Qwen3ForCausalLM(config).eval()


def make_tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(VOCABULARY)}
    inner = Tokenizer(models.WordLevel(words, "w0"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="w0", padding_side="left", chat_template=TEMPLATE
    )


def make_requests(count: int) -> list[Request]:
    rng = np.random.default_rng(0)
    return [
        Request(
            [{"role": "user", "content": " ".join(
                f"w{i}" for i in rng.integers(1, VOCABULARY, rng.integers(30, 151)))}],
            seed, Decoding(max_new_tokens=int(rng.integers(1, 49))),
        )
        for seed in range(count)
    ]  # fmt: skip


def engine_run(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, requests: list[Request], batch: int
) -> None:
    engine = TransformersEngine(model, tokenizer, batch)

    async def everything() -> None:
        await asyncio.gather(*(engine.generate(request) for request in requests))

    asyncio.run(everything())


def plain_run(
    model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, requests: list[Request], batch: int
) -> None:
    for start in range(0, len(requests), batch):
        part = requests[start : start + batch]
        texts = [
            tokenizer.apply_chat_template(request.messages, tokenize=False) for request in part
        ]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        longest = max(request.decoding.max_new_tokens for request in part)
        outputs = model.generate(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
            do_sample=True, top_k=0, max_new_tokens=longest, pad_token_id=0,
        )  # fmt: skip
        tokenizer.batch_decode(outputs[:, inputs["input_ids"].shape[1] :])


def best_seconds(run: Callable[[], None], repeats: int) -> float:
    """CPU seconds of the fastest of several runs: the one that other programs disturbed least."""
    seconds = []
    for _ in range(repeats):
        begin = time.process_time()
        run()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=512)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer, requests = make_model(), make_tokenizer(), make_requests(options.requests)
    tokens = sum(request.decoding.max_new_tokens for request in requests)
    table = Table("sampler", "CPU seconds", "new tokens/s", "ratio")
    rates = []
    for name, run in (("generate, fixed batches", plain_run), ("engine", engine_run)):
        seconds = best_seconds(
            lambda run=run: run(model, tokenizer, requests, options.batch), options.repeats
        )
        rates.append(tokens / seconds)
        table.add_row(name, f"{seconds:.2f}", f"{rates[-1]:.0f}", f"{rates[-1] / rates[0]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
