import asyncio
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Gemma2Config, Gemma2ForCausalLM

from sample.engines.base import Decoding, Request
from sample.engines.batch import Batch, Sequence
from sample.engines.drawing import draw, uniforms
from sample.engines.transformers import TransformersEngine
from sample.errors import ForageError, UsageError

SAMPLED = Decoding(max_new_tokens=40)


def make_requests(count: int, decoding: Decoding = SAMPLED, seed: int = 0) -> list[Request]:
    rng = np.random.default_rng(seed)
    requests = []
    for index in range(count):
        words = " ".join(f"w{i}" for i in rng.integers(0, 240, rng.integers(1, 150)))
        limit = int(rng.integers(1, decoding.max_new_tokens + 1))
        requests.append(
            Request(
                [{"role": "user", "content": words}],
                seed=1000 + index,
                decoding=replace(decoding, max_new_tokens=limit),
            )
        )
    return requests


def ask(engine: TransformersEngine, requests: list[Request]) -> list[tuple[str, str, str]]:
    async def together():
        return await asyncio.gather(*(engine.generate(request) for request in requests))

    return [(g.thinking, g.text, g.finish) for g in asyncio.run(together())]


def engine_of(model, tokenizer, batch: int = 64, **options) -> TransformersEngine:
    return TransformersEngine(model, tokenizer, batch, options)


def greedy_ids(model, tokenizer, request: Request) -> str:
    """What generate of transformers makes of one request, alone."""
    text = tokenizer.apply_chat_template(
        request.messages, tokenize=False, add_generation_prompt=True
    )
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, eos_token_id=1, pad_token_id=0,
        max_new_tokens=request.decoding.max_new_tokens,
    )  # fmt: skip
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("count", [16, pytest.param(64, marks=pytest.mark.smoke)])
def test_a_request_gives_the_same_tokens_whatever_runs_beside_it(model, tokenizer, count):
    engine = engine_of(model, tokenizer)
    requests = make_requests(count)
    together = ask(engine, requests)
    assert len(set(together)) == count
    assert {finish for _, _, finish in together} == {"stop", "length"}
    assert ask(engine, requests[::-1])[::-1] == together
    some = 3 * count // 8
    assert [ask(engine, [request])[0] for request in requests[:some]] == together[:some]
    assert ask(engine_of(model, tokenizer, batch=7), requests) == together


@pytest.fixture
def logits_seen(monkeypatch) -> dict[float, bytes]:
    """The bits of every row of logits, by the uniform number that draws from it."""
    seen: dict[float, bytes] = {}

    def watched(logits, uniform, decoding):
        for number, row in zip(uniform.tolist(), logits, strict=True):
            seen[number] = row.numpy().tobytes()
        return draw(logits, uniform, decoding)

    monkeypatch.setattr("sample.engines.batch.draw", watched)
    return seen


@pytest.mark.parametrize(
    ("threads", "heads"), [(1, 6), pytest.param(2, 4, marks=pytest.mark.smoke)]
)
def test_logits_are_the_same_bits_alone_and_together(
    make_model, tokenizer, logits_seen, threads, heads
):
    model = make_model(num_attention_heads=heads)
    requests = make_requests(16, Decoding(max_new_tokens=6), seed=1)
    requests[0] = replace(
        requests[0], messages=[{"role": "user", "content": " ".join(["w1", "w2"] * 300)}]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ask(engine_of(model, tokenizer), requests)
        together = dict(logits_seen)
        logits_seen.clear()
        for request in requests[:6]:
            ask(engine_of(model, tokenizer), [request])
    finally:
        torch.set_num_threads(before)
    assert len(logits_seen) > 12
    assert all(together[number] == bits for number, bits in logits_seen.items())


def test_joining_late_changes_nothing(model, tokenizer):
    requests = make_requests(15)
    engine = engine_of(model, tokenizer)

    async def late(request: Request, ticks: int):
        for _ in range(ticks):
            await asyncio.sleep(0)
        return await engine.generate(request)

    async def all_of_them():
        return await asyncio.gather(*(late(r, 3 * i) for i, r in enumerate(requests)))

    staggered = [(g.thinking, g.text, g.finish) for g in asyncio.run(all_of_them())]
    assert staggered == ask(engine_of(model, tokenizer), requests)


def test_long_prompts_beside_short_ones_change_nothing(model, tokenizer):
    long = replace(
        make_requests(1)[0], messages=[{"role": "user", "content": " ".join(["w1", "w2"] * 420)}]
    )
    requests = [long, *make_requests(5)]
    engine = engine_of(model, tokenizer)
    together = ask(engine, requests)
    assert together == [ask(engine_of(model, tokenizer), [request])[0] for request in requests]


def test_greedy_equals_generate_of_transformers(model, tokenizer):
    requests = make_requests(12, Decoding(temperature=0, max_new_tokens=24))
    texts = [f"{thinking} {text}".split() for thinking, text, _ in ask(
        engine_of(model, tokenizer), requests)]  # fmt: skip
    tags = {"<think>", "</think>"}  # which a random model writes anywhere
    for words, request in zip(texts, requests, strict=True):
        expected = greedy_ids(model, tokenizer, request).split()
        assert [w for w in words if w not in tags] == [w for w in expected if w not in tags]


@pytest.mark.parametrize("window", [8, 40])
def test_sliding_layers_equal_generate_of_transformers(tokenizer, window):
    torch.manual_seed(1)
    config = Gemma2Config(
        vocab_size=246, hidden_size=64, intermediate_size=128, num_hidden_layers=2, head_dim=16,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=window, pad_token_id=0,
        attn_implementation="eager", initializer_range=0.3, max_position_embeddings=512,
        eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    model = Gemma2ForCausalLM(config).eval()
    requests = make_requests(6, Decoding(temperature=0, max_new_tokens=24))
    for (_, text, _), request in zip(ask(engine_of(model, tokenizer), requests), requests,
                                     strict=True):  # fmt: skip
        assert text == greedy_ids(model, tokenizer, request).strip()


def test_token_k_is_drawn_with_the_requests_kth_uniform(model, tokenizer):
    requests = make_requests(5, Decoding(max_new_tokens=16))
    for request, (thinking, text, _) in zip(
        requests, ask(engine_of(model, tokenizer), requests), strict=True
    ):
        prompt = tokenizer.apply_chat_template(
            request.messages, tokenize=False, add_generation_prompt=True
        )
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        start = len(ids)
        for number in uniforms(request.seed, request.decoding.max_new_tokens):
            with torch.no_grad():
                logits = model(torch.tensor([ids])).logits[:, -1]
            ids.append(int(draw(logits, torch.tensor([number]), request.decoding)))
            if ids[-1] == tokenizer.eos_token_id:
                break
        words = tokenizer.decode(ids[start:], skip_special_tokens=True).split()
        assert f"{thinking} {text}".split() == [w for w in words if "think" not in w]


def test_settings_are_each_requests_own(model, tokenizer):
    plain, greedy = make_requests(8), make_requests(8, replace(SAMPLED, temperature=0))
    cut = make_requests(8, replace(SAMPLED, top_k=3, top_p=0.8, temperature=0.7))
    mixed = ask(engine_of(model, tokenizer), plain + greedy + cut)
    assert mixed[:8] == ask(engine_of(model, tokenizer), plain)
    assert mixed[8:16] == ask(engine_of(model, tokenizer), greedy)
    assert mixed[16:] == ask(engine_of(model, tokenizer), cut)


def test_ledger_counts_every_generated_token(model, tokenizer):
    engine = engine_of(model, tokenizer)
    request = make_requests(1)[0]
    generation = asyncio.run(engine.generate(request))
    ledger = generation.ledger
    assert ledger.prompt == engine.count_prompt_tokens(request.messages)
    assert ledger.cached == 0 and ledger.seconds > 0
    if generation.finish == "length":
        assert ledger.generated == request.decoding.max_new_tokens


def test_unfinished_thinking_that_the_template_opened_has_no_text(model, tokenizer):
    request = Request([{"role": "user", "content": "w1"}], 5, Decoding(max_new_tokens=3))
    generation = asyncio.run(engine_of(model, tokenizer, opened=True).generate(request))
    assert generation.finish == "length"
    assert generation.text == "" and len(generation.thinking.split()) == 3
    assert (generation.ledger.thinking, generation.ledger.answer) == (3, 0)


@pytest.mark.parametrize("opened", [True, False])
def test_a_prefill_is_gone_on_from(model, tokenizer, opened):
    greedy = Decoding(temperature=0, max_new_tokens=12)
    request = Request([{"role": "user", "content": "w1 w2"}], 5, greedy)
    whole = asyncio.run(engine_of(model, tokenizer, opened=True).generate(request))
    assert len(whole.thinking.split()) == 12
    begun = " ".join(whole.thinking.split()[:5])
    request = replace(request, prefill=begun, decoding=replace(greedy, max_new_tokens=7))
    rest = asyncio.run(engine_of(model, tokenizer, opened=opened).generate(request))
    assert (rest.thinking, rest.text) == (whole.thinking, "")
    assert (rest.ledger.thinking, rest.ledger.answer) == (7, 0)
    assert rest.ledger.prompt == whole.ledger.prompt + 5


def test_a_prefill_is_no_part_of_the_tokens_paid_for(model, tokenizer, monkeypatch):
    monkeypatch.setattr("sample.engines.batch.draw", scripted(tokenizer, "w3 </think> w4 w5"))
    request = Request([{"role": "user", "content": "w1"}], 5, SAMPLED, prefill="w1 w2")
    made = asyncio.run(engine_of(model, tokenizer, opened=False).generate(request))
    assert (made.thinking, made.text, made.finish) == ("w1 w2 w3", "w4 w5", "stop")
    assert (made.ledger.thinking, made.ledger.answer) == (2, 3)


def scripted(tokenizer, text):
    """Draws these words, then the end."""
    tokens = iter(tokenizer(f"{text} <|end|>")["input_ids"])
    return lambda logits, uniform, decoding: torch.tensor([next(tokens)])


def test_a_prompt_too_long_for_the_context_is_a_failure_not_an_exception(model, tokenizer):
    long = Request([{"role": "user", "content": "w1 " * 1000}], 0, Decoding(max_new_tokens=64))
    fits = make_requests(1)[0]
    engine = engine_of(model, tokenizer)
    generation = asyncio.run(engine.generate(long))
    assert generation.finish == "error" and generation.text == ""
    assert generation.failure is not None and generation.failure.type == "context_overflow"
    assert generation.ledger.prompt == 1003 and generation.ledger.generated == 0
    assert ask(engine, [fits])[0][2] in ("stop", "length")


def test_more_new_tokens_than_any_prompt_leaves_are_refused(model, tokenizer):
    request = replace(make_requests(1)[0], decoding=Decoding(max_new_tokens=1024))
    with pytest.raises(UsageError, match=r"max_new_tokens: expected less than .* 1024 .*got 1024"):
        ask(engine_of(model, tokenizer), [request])


def test_an_error_of_the_model_reaches_everyone_and_the_engine_recovers(model, tokenizer):
    engine = engine_of(model, tokenizer, batch=4)
    requests = make_requests(10)
    expected = ask(engine, requests)
    weight = model.model.norm.weight
    whole = weight.detach().clone()
    weight.data.fill_(float("nan"))

    async def all_fail():
        return await asyncio.gather(*(engine.generate(r) for r in requests), return_exceptions=True)

    errors = asyncio.run(asyncio.wait_for(all_fail(), 60))
    assert all(isinstance(e, ForageError) and "not finite" in str(e) for e in errors)
    weight.data.copy_(whole)
    assert ask(engine, requests) == expected


def test_a_cancelled_caller_leaves_the_others_alone(model, tokenizer):
    engine = engine_of(model, tokenizer, batch=4)
    requests = make_requests(10)
    expected = ask(engine, requests)

    async def some_cancelled():
        tasks = [asyncio.create_task(engine.generate(r)) for r in requests]
        for _ in range(3):
            await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[9].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(some_cancelled())
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[9], asyncio.CancelledError)
    assert [(g.thinking, g.text, g.finish) for g in results[1:9]] == expected[1:9]


def test_a_chain_of_requests_runs_on(model, tokenizer):
    engine = engine_of(model, tokenizer, batch=3)

    async def chain(start: int) -> list[str]:
        texts: list[str] = []
        for step in range(4):
            content = " ".join([f"w{start}", *texts])
            request = Request([{"role": "user", "content": content}], start * 10 + step, SAMPLED)
            generation = await engine.generate(request)
            texts.append(generation.thinking + generation.text)
        return texts

    async def chains(starts):
        return await asyncio.gather(*(chain(start) for start in starts))

    assert asyncio.run(chains(range(4)))[2] == asyncio.run(chains([2]))[0]


def conversations(seed: int, turns: int = 5) -> list[list[dict[str, str]]]:
    """What a chain asks at each turn: all that stood before, an answer, and one question more."""
    rng, messages, asked = np.random.default_rng(seed), [], []
    for turn in range(turns):
        words = " ".join(f"w{i}" for i in rng.integers(0, 240, rng.integers(10, 50)))
        role = {"role": "assistant", "content": words[:40].rsplit(" ", 1)[0]}
        messages += [*([role] if turn else []), {"role": "user", "content": words}]
        asked.append(list(messages))
    return asked


@pytest.mark.parametrize("decoding", [SAMPLED, replace(SAMPLED, temperature=0)])
def test_a_chain_reads_on_from_its_last_prompt_with_the_same_bits(
    model, tokenizer, logits_seen, decoding
):
    engine, decoding = engine_of(model, tokenizer), replace(decoding, max_new_tokens=3)
    chains = [conversations(seed) for seed in range(3)]
    requests = [
        [Request(chain[turn], 100 * turn + n, decoding) for n, chain in enumerate(chains)]
        for turn in range(5)
    ]

    async def turns():
        made = []
        for turn in requests:
            made.append(await asyncio.gather(*(engine.generate(request) for request in turn)))
        return made

    made, stored = asyncio.run(turns()), dict(logits_seen)
    logits_seen.clear()
    for asked, answered in zip(requests, made, strict=True):
        for request, generation in zip(asked, answered, strict=True):
            alone = asyncio.run(engine_of(model, tokenizer).generate(request))
            assert (alone.text, alone.ledger.cached) == (generation.text, 0)
    assert logits_seen == stored and len(stored) > 30
    for earlier, later in pairwise(made):
        for before, after in zip(earlier, later, strict=True):
            assert before.ledger.prompt - 8 <= after.ledger.cached < after.ledger.prompt


def test_a_prompt_of_one_token_is_sampled(model, tokenizer):
    sequence = Sequence([5], 3, Decoding(max_new_tokens=2))
    batch = Batch(model, 4, [])
    batch.join([sequence])
    assert batch.step() == [] and batch.step() == [sequence]
    assert (len(sequence.tokens), sequence.cached) == (2, 0)


def test_attempts_on_one_prompt_read_it_once(model, tokenizer):
    engine, content = engine_of(model, tokenizer), " ".join(f"w{i}" for i in range(60))
    requests = [Request([{"role": "user", "content": content}], seed, SAMPLED) for seed in range(4)]

    async def together():
        return await asyncio.gather(*(engine.generate(request) for request in requests))

    made = asyncio.run(together())
    assert sorted(g.ledger.cached or 0 for g in made) == [0, 56, 56, 56]
    assert {g.ledger.prompt for g in made} == {63}


def test_a_store_that_is_too_small_changes_nothing_and_does_not_grow(model, tokenizer, monkeypatch):
    requests = make_requests(30, Decoding(max_new_tokens=4)) * 2
    expected = ask(engine_of(model, tokenizer), requests)
    block = 2 * 2 * 2 * 16 * 8 * 4  # layers, keys and values, heads, width, tokens, bytes
    monkeypatch.setattr("sample.engines.prefixes.SPACE", {"cpu": 20 * block})
    engine = engine_of(model, tokenizer, batch=8)
    assert ask(engine, requests) == expected
    store = engine._batch._prefixes
    assert len(store._blocks) == len(store._pool[0][0]) == 20


def test_a_model_in_training_with_an_adapter_samples_in_eval_mode_and_is_restored(
    make_model, tokenizer
):
    base = make_model(attention_dropout=0.5)
    lora = LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.5, init_lora_weights=False)
    adapted = get_peft_model(base, lora)
    adapted.train()
    adapted.get_base_model().lm_head.eval()
    modes = [module.training for module in adapted.modules()]
    engine = engine_of(adapted, tokenizer)
    requests = make_requests(8)
    first = ask(engine, requests)
    assert [module.training for module in adapted.modules()] == modes
    assert ask(engine, requests) == first
    with adapted.disable_adapter():
        assert ask(engine_of(adapted, tokenizer), requests) != first
    assert all(parameter.grad is None for parameter in adapted.parameters())


def test_bad_batch_and_missing_template_are_refused(model, tokenizer):
    with pytest.raises(UsageError, match="at least 1"):
        TransformersEngine(model, tokenizer, 0)
    template, tokenizer.chat_template = tokenizer.chat_template, None
    try:
        with pytest.raises(UsageError, match="no chat template"):
            TransformersEngine(model, tokenizer)
    finally:
        tokenizer.chat_template = template
