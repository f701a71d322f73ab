"""Attempts of uneven length on a random model: continuous batching against what waits.

A random Qwen3 of 1 M parameters, end tokens off; every request stops at its own length, so all
programs draw the same number of tokens and the work does not hang on luck. One thread.
"""

import asyncio
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from benchmarks.measure import Row, compared
from sample.engines.base import Decoding, Request
from sample.engines.transformers import TransformersEngine

VOCABULARY = 900
TEMPLATE = "{% for m in messages %}{{ m.content }} {% endfor %}"
BATCH = 256
TURNS = 8


def make_model() -> Qwen3ForCausalLM:
    torch.set_num_threads(1)
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


def make_request(content: str, seed: int, length: int) -> Request:
    return Request([{"role": "user", "content": content}], seed, Decoding(max_new_tokens=length))


def words(rng: np.random.Generator, count: int) -> str:
    return " ".join(f"w{i}" for i in rng.integers(1, VOCABULARY, count))


async def against_generate(count: int, repeats: int) -> list[Row]:
    """The engine against plain ``generate`` in fixed batches, each as long as its longest request.

    Prompts of 30 to 150 tokens, 1 to 48 new tokens a request.
    """
    model, tokenizer, rng = make_model(), make_tokenizer(), np.random.default_rng(0)
    requests = [
        make_request(words(rng, int(rng.integers(30, 151))), seed, int(rng.integers(1, 49)))
        for seed in range(count)
    ]
    tokens = sum(request.decoding.max_new_tokens for request in requests)

    async def ours() -> int:
        engine = TransformersEngine(model, tokenizer, BATCH)
        await asyncio.gather(*(engine.generate(request) for request in requests))
        return tokens

    async def plain() -> int:
        for start in range(0, count, BATCH):
            _generate(model, tokenizer, requests[start : start + BATCH])
        return tokens

    what = "transformers engine / generate in fixed batches"
    return [await compared(what, ours, plain, repeats, 1.5)]


def _generate(model: Any, tokenizer: Any, part: list[Request]) -> None:
    texts = [tokenizer.apply_chat_template(request.messages, tokenize=False) for request in part]
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    outputs = model.generate(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
        do_sample=True, top_k=0, pad_token_id=0,
        max_new_tokens=max(request.decoding.max_new_tokens for request in part),
    )  # fmt: skip
    tokenizer.batch_decode(outputs[:, inputs["input_ids"].shape[1] :])


async def against_barrier(chains: int, repeats: int) -> list[Row]:
    """Chains that walk on by themselves against rounds that wait for the slowest chain.

    Geometric lengths of 24 tokens on average, at most 192; a turn adds 12 tokens to the prompt.
    """
    model, tokenizer, rng = make_model(), make_tokenizer(), np.random.default_rng(1)
    lengths = rng.geometric(1 / 24, (chains, TURNS)).clip(max=192)
    walks = []
    for chain in range(chains):
        asked = [words(rng, 40)]
        for _ in range(TURNS - 1):
            asked.append(f"{asked[-1]} {words(rng, 12)}")
        seeds = range(chain * TURNS, (chain + 1) * TURNS)
        walks.append([
            make_request(text, seed, int(length))
            for text, seed, length in zip(asked, seeds, lengths[chain], strict=True)
        ])  # fmt: skip

    async def free() -> int:
        engine = TransformersEngine(model, tokenizer, BATCH)

        async def walk(chain: list[Request]) -> None:
            for request in chain:
                await engine.generate(request)

        await asyncio.gather(*(walk(chain) for chain in walks))
        return int(lengths.sum())

    async def rounds() -> int:
        engine = TransformersEngine(model, tokenizer, BATCH)
        for turn in range(TURNS):
            await asyncio.gather(*(engine.generate(chain[turn]) for chain in walks))
        return int(lengths.sum())

    what = f"{chains} chains of uneven length: free / a barrier after each turn"
    return [await compared(what, free, rounds, repeats, 1.3)]
