"""Against a real HTTP server on loopback; the one that answers wrongly is as real."""

import asyncio
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from asking import DECODING, ask, model_of, problem_of, request_of
from misbehaving_server import completion, serving

from sample.config import ArmConfig, ProblemConfig, SampleConfig, config_systems
from sample.engines.base import Decoding
from sample.engines.chat import Chat
from sample.engines.endpoints import Endpoints
from sample.engines.loading import load_tokenizer
from sample.engines.openai import OpenAIEngine
from sample.errors import ForageError, UsageError
from sample.runfolder import RunFolder
from sample.workers import load_all, sample_systems

MODEL = str(Path(__file__).parents[3] / "models" / "anchored")


@pytest.mark.parametrize("package", ["aiohttp", "tenacity"])
def test_a_missing_package_is_told_with_what_to_type(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "sample.engines.server")
    said = r"packages aiohttp and tenacity .*pip install -e '\.\[openai\]'"
    with pytest.raises(UsageError, match=said):
        importlib.import_module("sample.engines.server")


def said(model, **reply):
    return ask(model, f"echo {json.dumps(completion(**reply))}")[0]


def counts(generation):
    ledger = generation.ledger
    return ledger.prompt, ledger.cached, ledger.thinking, ledger.answer


def test_every_decoding_setting_is_sent_as_the_server_takes_it(server):
    for kind in ("vllm", "openai", "plain"):
        ask(model_of(server, server=kind, extra_body={"reasoning_effort": "low"}), "hello")
    vllm, openai, plain = server.seen
    both = {"model": "m", "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0.7, "top_p": 0.9, "reasoning_effort": "low"}  # fmt: skip
    assert plain == {**both, "max_tokens": 20}
    assert openai == {**both, "max_completion_tokens": 20, "seed": 0}
    neutral = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
    own = {"return_token_ids": True, "chat_template_kwargs": {}}
    assert vllm == {**both, "max_tokens": 20, "seed": 0, **neutral, **own}


def test_min_p_is_sent_to_the_server_that_takes_it_and_refused_for_others(server):
    async def asked():
        async with OpenAIEngine(model_of(server)) as engine:
            decoding = replace(DECODING, min_p=0.05)
            await engine.generate(replace(request_of("ok"), decoding=decoding))

    asyncio.run(asked())
    assert server.seen[0]["min_p"] == 0.05
    for kind in ("openai", "plain"):
        with pytest.raises(UsageError, match=r"sample\.decoding\.min_p: expected 0, because x"):
            model_of(server, server=kind).check("x", Decoding(min_p=0.05))


def test_the_key_comes_from_the_environment_and_its_absence_is_told(server, monkeypatch):
    monkeypatch.setenv("FORAGE_TEST_KEY", "s3cret")
    ask(model_of(server, key="FORAGE_TEST_KEY"), "hello")
    assert server.keys == {"Bearer s3cret"}
    monkeypatch.delenv("FORAGE_TEST_KEY")
    with pytest.raises(UsageError, match="export FORAGE_TEST_KEY="):
        ask(model_of(server, key="FORAGE_TEST_KEY"), "hello")


@pytest.mark.parametrize(
    ("reply", "thinking", "text", "ledger"),
    [
        ({}, "", "42", (7, None, 0, 5)),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 5,
                    "prompt_tokens_details": {"cached_tokens": 6},
                    "completion_tokens_details": {"reasoning_tokens": 3}},
          "message": {"reasoning_content": " so "}}, "so", "42", (7, 6, 3, 2)),
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 5, "reasoning_tokens": 3,
                    "prompt_cache_hit_tokens": 4},
          "message": {"reasoning": "so"}}, "so", "42", (7, 4, 3, 2)),
        # Thinking left out of completion_tokens and of the text.
        ({"usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 30}},
         "", "42", (7, None, 18, 5)),
        ({"content": "<thought>so</thought>42",
          "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 30}},
         "so", "42", (7, None, 18, 5)),
        ({"content": "<think>so", "finish": "length"}, "so", "", (7, None, 5, 0)),
        ({"content": None, "finish": "length", "message": {"reasoning": "so"}},
         "so", "", (7, None, 5, 0)),
    ],
)  # fmt: skip
def test_replies_are_read_in_their_known_spellings(server, reply, thinking, text, ledger):
    generation = said(model_of(server), **reply)
    assert (generation.thinking, generation.text, counts(generation)) == (thinking, text, ledger)
    assert generation.finish == reply.get("finish", "stop") and generation.failure is None
    assert generation.ledger.seconds > 0


@pytest.fixture
def tokenizer_folder(tokenizer, model, tmp_path):
    model.save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    return str(tmp_path / "tiny")


def test_a_tokenizer_splits_and_counts_what_the_server_does_not(server, tokenizer_folder):
    reply = {"content": "<think> w1 w2 </think> w3",
             "usage": {"prompt_tokens": 7, "completion_tokens": 6}}  # fmt: skip
    with pytest.raises(UsageError, match="give tokenizer"):
        said(model_of(server), **reply)
    model = model_of(server, tokenizer=tokenizer_folder)
    generation = said(model, **reply)
    assert (generation.thinking, generation.text) == ("w1 w2", "w3")
    assert counts(generation) == (7, None, 5, 1)
    # Ids: <think>=4, w1=7, </think>=5, w3=9, <|end|>=1, as the fixture's vocabulary has them.
    ids = said(model, content="?", choice={"token_ids": [4, 7, 5, 9, 9, 1]})
    assert (ids.thinking, ids.text, counts(ids)) == ("w1", "w3 w3", (7, None, 3, 3))
    cut = said(model, content="?", finish="length", choice={"token_ids": [4, 7, 7]})
    assert (cut.thinking, cut.text, counts(cut)) == ("w1 w1", "", (7, None, 3, 0))


def test_a_template_that_opens_thinking_is_known_by_the_tokenizer(server, tokenizer_folder):
    model = model_of(server, tokenizer=tokenizer_folder, chat_template={"opened": True})
    generation = said(model, content="w1 w2", finish="length")
    assert (generation.thinking, generation.text, counts(generation)) == (
        "w1 w2", "", (7, None, 5, 0))  # fmt: skip
    assert server.seen[0]["chat_template_kwargs"] == {"opened": True}


def test_prompts_are_counted_by_tokenizer_or_server_or_not_at_all(server, tokenizer_folder):
    messages = [{"role": "user", "content": "w1 w2"}]

    async def counted():
        return OpenAIEngine(model_of(server)).count_prompt_tokens(messages)

    assert asyncio.run(counted()) == 5
    counting = OpenAIEngine(model_of(server, tokenizer=tokenizer_folder, server="plain"))
    assert counting.count_prompt_tokens(messages) == 5
    with pytest.raises(UsageError, match="give tokenizer"):
        OpenAIEngine(model_of(server, server="plain")).count_prompt_tokens(messages)
    with pytest.raises(ForageError, match="does not count prompts"):
        wrong = model_of(server.url.replace("/v1", "/elsewhere"))
        OpenAIEngine(wrong).count_prompt_tokens(messages)


def test_requests_at_once_are_limited_and_spread(server):
    with serving() as other:
        questions = [f"ok {i % 10}#{i}" for i in range(40)]
        ask(model_of(server, other, concurrency=4), *questions)
        assert server.most + other.most <= 8 and max(server.most, other.most) <= 4
        assert len(server.seen) + len(other.seen) == 40
        assert min(len(server.seen), len(other.seen)) >= 8
        # All attempts on a problem meet the same prefix cache, whatever their first message is.
        assert not set(map(problem_of, server.times)) & set(map(problem_of, other.times))


def test_what_it_cannot_do_is_refused(server, tmp_path):
    for served, said in (("plain", r"server: expected vllm"), ("vllm", r"tokenizer: expected")):
        engine = OpenAIEngine(model_of(server, server=served))
        with pytest.raises(UsageError, match=f"{said}.*begun thinking"):
            asyncio.run(engine.generate(request_of("ok", prefill="so")))
    assert not server.seen
    plain = OpenAIEngine(model_of(server, server="plain"))
    with pytest.raises(UsageError, match="only server: vllm loads"):
        asyncio.run(plain.use(str(tmp_path)))
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}')
    with pytest.raises(UsageError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        asyncio.run(OpenAIEngine(model_of(server)).use(str(tmp_path)))


def test_begun_thinking_goes_to_a_vllm_server_as_the_ids_that_the_template_writes(server):
    model = model_of(server, tokenizer=MODEL, chat_template={"enable_thinking": True})
    chat = Chat(load_tokenizer(MODEL), {"enable_thinking": True})

    async def asked():
        async with OpenAIEngine(model) as engine:
            return await engine.generate(request_of("ok", prefill="1 + 2"))

    made = asyncio.run(asked())
    body = server.seen[0]
    assert body["prompt"] == chat.prompt(request_of("ok").messages, "1 + 2").ids
    assert "messages" not in body and "chat_template_kwargs" not in body
    assert body["seed"] == 5 and body["return_token_ids"] is True
    assert made.thinking.startswith("1 + 2") and made.text == ""
    assert (made.finish, made.ledger.thinking, made.ledger.prompt) == (
        "length", 1, len(body["prompt"])
    )  # fmt: skip


def test_a_budget_of_thinking_is_sent_and_a_server_that_ignores_it_is_told_of(server):
    decoding = replace(DECODING, max_new_tokens=4000, thinking_budget=3)
    usage = {"prompt_tokens": 7, "completion_tokens": 900, "total_tokens": 907,
             "completion_tokens_details": {"reasoning_tokens": 800}}  # fmt: skip
    reply = completion(usage=usage, message={"reasoning_content": "long"})

    async def asked(question):
        async with OpenAIEngine(model_of(server)) as engine:
            return await engine.generate(replace(request_of(question), decoding=decoding))

    asyncio.run(asked("ok"))
    assert server.seen[0]["thinking_token_budget"] == 3
    with pytest.raises(UsageError, match=r"800 tokens of thinking in spite of thinking_budget 3"):
        asyncio.run(asked(f"echo {json.dumps(reply)}"))


def test_a_server_that_repeats_the_key_when_it_loads_no_adapter_is_not_quoted(server, monkeypatch):
    monkeypatch.setenv("FORAGE_TEST_KEY", "s3cret")

    async def load():
        endpoints = Endpoints(model_of(server, key="FORAGE_TEST_KEY", retries=0))
        try:
            await endpoints.load_adapter("lora-1", "adapters/x")
        finally:
            await endpoints.close()

    with pytest.raises(UsageError, match=r"adapters/x: .*does not load it .*Bearer") as error:
        asyncio.run(load())
    assert "s3cret" not in str(error.value) and "--enable-lora" in str(error.value)


def test_an_adapter_that_is_no_folder_is_asked_for_by_name(server):
    async def adapted():
        async with OpenAIEngine(model_of(server)) as engine:
            await engine.use("diverse-s0")
            await engine.generate(request_of("ok"))

    asyncio.run(adapted())
    assert server.seen[0]["model"] == "diverse-s0"


def test_the_names_that_servers_give_are_noted_and_a_strange_one_is_told(server, tmp_path, capsys):
    problems = {"sums": ProblemConfig("chain_sum", count=2)}
    config = SampleConfig(
        {"base": model_of(server)}, problems, {"p": ArmConfig("parallel")}, attempts=2
    )
    folder = RunFolder(tmp_path)

    def sampled(replicates):
        sample_systems(
            config_systems(config), replace(config, replicates=replicates), load_all(config),
            folder, seed=1, workers=1, hashed="abc",
        )  # fmt: skip
        return capsys.readouterr().err.count("asked for model 'm', answered by 'm-2026'")

    server.naming = {"model": "m"}
    assert sampled(1) == 0
    server.naming = {"model": "m-2026", "system_fingerprint": "fp_1"}
    assert sampled(2) == 1
    served = folder.read_manifest()["served"]["base"]
    assert [(s["model"], s["fingerprint"]) for s in served] == [("m", None), ("m-2026", "fp_1")]
