"""Training whose attempts vLLM draws, and trained adapters on a fresh model."""

import asyncio
import json
import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from vllm_server import api_server

from sample.config import ProblemConfig
from sample.engines.base import Decoding, Request
from sample.engines.chat import Chat
from sample.engines.loading import load_engine, load_model, load_tokenizer
from sample.families import load_problems
from sample.models import TransformersModel, VllmModel
from sample.prompts import conversation
from train.adapter import train_adapter
from train.config import TrainConfig
from train.hardware import VllmSampling
from train.method_config import HistoryConfig, MethodConfig
from train.metrics import MetricsLog
from train.task import Task
from train.vllm_sampler import _apart, _read_completion, vllm_sampler

MODEL = str(Path(__file__).parents[2] / "models" / "anchored")
OPTIONS = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
           "min_target": 10, "max_target": 99}  # fmt: skip
PROBLEMS = {"countdown": ProblemConfig("countdown", options=OPTIONS)}
GREEDY = Decoding(temperature=0, max_new_tokens=48)
ARGUMENTS = {"enforce_eager": True}
MIXED = MethodConfig(HistoryConfig(base=0.5))

needs_vllm = pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed")


def test_a_vllm_of_a_process_is_no_part_of_the_launch(monkeypatch):
    for name, value in {"RANK": "3", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    before = dict(os.environ)
    with _apart(3, 4):
        assert not {"RANK", "MASTER_PORT", "TORCHELASTIC_RUN_ID"} & set(os.environ)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    assert dict(os.environ) == before
    with _apart(0, 1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,5,6,7"


def test_a_reply_must_have_a_log_probability_for_each_token():
    choice = {"finish_reason": "length", "token_ids": [5, 6],
              "logprobs": {"token_logprobs": [-0.5, -0.1]}}  # fmt: skip
    drawn = _read_completion({"choices": [choice]})
    assert (drawn.tokens, drawn.logprobs, drawn.stopped) == ([5, 6], [-0.5, -0.1], False)
    with pytest.raises(ValueError, match="2 tokens with 1"):
        _read_completion({"choices": [choice | {"logprobs": {"token_logprobs": [-0.5]}}]})


@pytest.mark.slow
@needs_vllm
def test_vllm_samples_beside_the_trainer_and_on_a_server(tmp_path, monkeypatch):
    """The importance of every token is 1 but for rounding: vLLM had the adapter of that step."""
    logged = []
    original = MetricsLog.on_log

    def on_log(self, args, state, control, logs=None, **kwargs):
        original(self, args, state, control, logs=logs, **kwargs)
        logged.append(logs)

    monkeypatch.setattr(MetricsLog, "on_log", on_log)
    beside = VllmSampling(memory=0.1, arguments=ARGUMENTS)
    learn(tmp_path / "colocate", beside)
    with api_server(MODEL, tmp_path / "server.log") as url:
        learn(tmp_path / "server", VllmSampling("server", (url,), name="anchored"))
    ratios = [
        logs[f"sampling/importance_sampling_ratio/{end}"]
        for logs in logged
        for end in ("min", "max")
        if "reward" in logs
    ]
    assert len(ratios) == 12 and ratios == pytest.approx([1.0] * 12, abs=1e-3)
    one, other = (numbers(tmp_path / name) for name in ("colocate", "server"))
    # The same seeds on the same weights: the same attempts.
    assert one == other and [line["step"] for line in one] == [1, 2, 3]
    assert not list((tmp_path / "colocate" / "live").iterdir())


def learn(
    folder: Path,
    vllm: VllmSampling | None,
    rate: float = 5e-3,
    method: MethodConfig = MIXED,
) -> None:
    """One step at this rate changes log-probabilities of whole answers by up to 1."""
    config = TrainConfig(
        {"history": method}, steps=3, groups=2, group_size=4, refresh=2, lora_rank=8,
        learning_rate=rate, problem_count=8, vllm=vllm, trackers=(),
    )  # fmt: skip
    task = Task(
        TransformersModel(MODEL, batch=32), PROBLEMS, Decoding(max_new_tokens=48), 3, config,
        "history", 0, 0,
    )  # fmt: skip
    train_adapter(task, folder)


def numbers(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    kept = ("step", "reward", "accuracy", "distinct", "prompt_tokens", "generated_tokens")
    return [{key: line[key] for key in kept} for line in lines]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    learn(folder, None, 5e-2, MethodConfig())
    return folder


def requests() -> list[Request]:
    problems = load_problems("c", ProblemConfig("countdown", count=12, options=OPTIONS))
    return [
        Request(conversation(p.question, ["1 + 2 + 3"] * (i % 3)), i, GREEDY)
        for i, p in enumerate(problems)
    ]


async def ask(engine) -> list[tuple[str, str, str]]:
    made = await asyncio.gather(*(engine.generate(request) for request in requests()))
    return [(one.thinking, one.text, one.finish) for one in made]


def in_transformers(adapter: Path | None) -> list[tuple[str, str, str]]:
    return asyncio.run(ask(load_engine(TransformersModel(MODEL), adapter)))


@pytest.mark.smoke
def test_a_trained_adapter_on_a_fresh_model_says_the_same_in_plain_peft(adapter):
    here = in_transformers(adapter)
    assert here != in_transformers(None)
    tokenizer = load_tokenizer(MODEL)
    plain = PeftModel.from_pretrained(load_model(MODEL), str(adapter))
    for request, (thinking, text, _) in zip(requests(), here, strict=True):
        ids = tokenizer.apply_chat_template(
            request.messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        with torch.no_grad():
            made = plain.generate(input_ids=ids, do_sample=False, max_new_tokens=48)
        whole = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        assert thinking in whole and whole.endswith(text)


@pytest.mark.slow
@needs_vllm
def test_a_trained_adapter_on_a_fresh_model_says_the_same_in_vllm(adapter):
    from sample.engines.vllm import VllmCore

    async def in_vllm():
        settings = {"gpu_memory_utilization": 0.1, **ARGUMENTS}
        with VllmCore(VllmModel(MODEL, batch=32, arguments=settings), [str(adapter)]) as core:
            return await ask(await core.engine(str(adapter)))

    assert asyncio.run(in_vllm()) == in_transformers(adapter)


@pytest.mark.slow
@needs_vllm
def test_vllm_draws_from_the_untouched_model_before_and_beside_an_adapter(adapter, tmp_path):
    """As for a base share of histories, and for rejection sampling, which attaches no trainer."""
    model = TransformersModel(MODEL, batch=32)
    chat = Chat(load_tokenizer(MODEL), {})
    settings = VllmSampling(memory=0.1, arguments=ARGUMENTS)
    sampler = vllm_sampler(settings, model, chat, GREEDY, tmp_path)
    peft = PeftModel.from_pretrained(load_model(MODEL), str(adapter), is_trainable=True)
    sampler.attach(SimpleNamespace(model=peft, state=SimpleNamespace(global_step=0)))

    async def work(engine, _context):
        return await ask(engine)

    walk = partial(sampler.walk, peft, None, work)
    try:
        # In turns: neither leaves anything for the other in vLLM's cache of prefixes.
        drawn = [walk(untouched=untouched) for untouched in (True, False, True)]
    finally:
        sampler.close()
    bare, adapted = in_transformers(None), in_transformers(adapter)
    assert drawn == [bare, adapted, bare] and bare != adapted


@pytest.mark.slow
@needs_vllm
def test_rejection_sampling_draws_from_vllm(tmp_path):
    beside = VllmSampling(memory=0.1, arguments=ARGUMENTS)
    learn(tmp_path, beside, method=MethodConfig(algorithm="sft"))
    assert [line["step"] for line in numbers(tmp_path)] == [1, 2, 3]
    assert (tmp_path / "adapter_model.safetensors").exists()
