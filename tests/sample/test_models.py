from dataclasses import fields

import pytest

from sample.config import SampleConfig, parse, plain
from sample.errors import UsageError
from sample.models import MODELS, ScriptedModel, TransformersModel, VllmModel, trainable
from sample.runfolder import run_hash

OPENAI = {"engine": "openai", "model": "m", "urls": ["http://127.0.0.1:8000/v1"]}
EXAMPLES = {
    "transformers": {"path": "m", "batch": 8},
    "vllm": {"engine": "vllm", "path": "m", "arguments": {"tensor_parallel_size": 2}},
    "openai": OPENAI,
    "scripted": {"engine": "scripted", "reuse": 0.5},
}


def config_of(model, **decoding):
    data = {
        "models": {"base": model},
        "problems": {"sums": {"task": "chain_sum"}},
        "arms": {"parallel": {"strategy": "parallel"}},
        "decoding": decoding,
    }
    return parse(SampleConfig, data, "sample")


@pytest.mark.parametrize("engine", MODELS)
def test_a_model_is_the_dataclass_of_its_engine_and_survives_the_resolved_config(engine):
    model = config_of(EXAMPLES[engine]).models["base"]
    assert type(model) is MODELS[engine] and model.engine == engine
    assert config_of(plain(config_of(EXAMPLES[engine]))["models"]["base"]).models["base"] == model


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"path": "m", "engine": "vlm"}, r"models\.base\.engine: expected one of transformers"),
        ({"path": "m", "engine": ["vllm"]}, r"models\.base\.engine: expected one of"),
        ({"path": "m", "bach": 3}, "'sample.models.base.bach'; did you mean 'batch'"),
        ({**EXAMPLES["vllm"], "device": "cuda"}, r"unknown key 'sample\.models\.base\.device'"),
        ({**OPENAI, "dtype": "float16"}, r"base\.dtype: expected auto without path"),
        ({**OPENAI, "path": "m", "server": "plain"}, r"base\.path: expected none without"),
        ({"engine": "openai", "urls": OPENAI["urls"]}, r"base\.model: .* name .* or path"),
        ({**EXAMPLES["scripted"], "IDLE": 1}, r"unknown key 'sample\.models\.base\.IDLE'"),
        ({"path": "m", "batch": "many"}, r"config: sample\.models\.base\.batch: "),
        ({"engine": "vllm"}, r"config: sample\.models\.base\.path: .*required"),
        ("m", r"sample\.models\.base"),
        ({"path": "m", "batch": 0}, r"models\.base\.batch: expected 1 or more"),
        ({**OPENAI, "extra_body": {"thinking_token_budget": 3}}, "does not set itself"),
        ({**EXAMPLES["vllm"], "arguments": {"reasoning_config": {}}}, "decoding.thinking_budget"),
        ({**EXAMPLES["vllm"], "batch": 0}, r"models\.base\.batch: expected 1 or more"),
        ({"engine": "vllm", "path": "m", "arguments": {"max_num_seqs": 4}}, "give batch"),
        ({"engine": "vllm", "path": "m", "arguments": {"trust_remote_code": True}}, "never run"),
        ({**OPENAI, "urls": []}, r"models\.base\.urls: expected at least one"),
        ({**OPENAI, "urls": ["localhost:8000"]}, r"models\.base\.urls: expected addresses"),
        ({**OPENAI, "extra_body": {"top_k": 3}}, r"base\.extra_body: .*'top_k'"),
        ({**OPENAI, "server": "plain", "chat_template": {"a": 1}}, r"base\.chat_template"),
        ({**OPENAI, "concurrency": 0}, "concurrency"),
        ({**OPENAI, "timeout": 0}, "timeout"),
        ({**OPENAI, "retries": -1}, "retries"),
        ({"engine": "scripted", "accuracy": 1}, "accuracy"),
        ({"engine": "scripted", "reuse": 1.5}, "reuse"),
        ({"engine": "scripted", "spread": 1}, "spread"),
        ({"engine": "scripted", "wrong_answers": 0}, "wrong_answers"),
        ({"engine": "scripted", "thinking_tokens": 0}, "thinking_tokens"),
    ],
)  # fmt: skip
def test_bad_models_are_refused_with_their_key(model, says):
    with pytest.raises(UsageError, match=says) as error:
        config_of(model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "model",
    [{**OPENAI, "key": "sk-verysecret"}, {**OPENAI, "urls": ["https://me:verysecret@host/v1"]}],
)
def test_a_key_or_password_in_the_config_is_refused_and_not_repeated(model):
    with pytest.raises(UsageError, match="environment variable") as error:
        config_of(model)
    assert "verysecret" not in str(error.value)


def test_decoding_that_a_server_does_not_take_is_refused():
    for server in ("openai", "plain"):
        with pytest.raises(UsageError, match=r"decoding\.top_k: expected 0, because .*server"):
            config_of({**OPENAI, "server": server}, top_k=20)
    assert config_of({**OPENAI, "server": "vllm"}, top_k=20)


@pytest.mark.parametrize(
    ("engine", "idle", "mattering"),
    [
        ("transformers", {"batch": 1}, {"dtype": "float32"}),
        ("vllm", {"arguments": {"tensor_parallel_size": 4}}, {"arguments": {"quantization": "x"}}),
        ("openai", {"urls": ["http://b/v1"], "concurrency": 1}, {"server": "plain"}),
        ("scripted", {}, {"reuse": 0.1}),
    ],
)
def test_only_what_changes_results_enters_the_run_hash(engine, idle, mattering):
    def hashed(**changes):
        model = {**plain(config_of(EXAMPLES[engine]))["models"]["base"], **changes}
        return run_hash({"sample": {"models": {"base": model}}})

    assert hashed(**idle) == hashed() != hashed(**mattering)


SERVED = {"engine": "openai", "path": "m", "urls": OPENAI["urls"]}


def test_a_served_model_of_known_weights_is_the_same_model_as_under_other_engines():
    def hashed(model):
        return run_hash({"sample": {"models": {"base": plain(config_of(model))["models"]["base"]}}})

    assert hashed(SERVED) == hashed({**SERVED, "model": "m-8b"}) == hashed({"path": "m"})
    assert hashed(SERVED) != hashed({**SERVED, "path": "n", "model": "m"})
    assert hashed(SERVED) != hashed({**SERVED, "extra_body": {"logit_bias": {}}})
    half = {"dtype": "float16"}
    assert hashed(SERVED) != hashed({**SERVED, **half}) == hashed({"path": "m", **half})
    assert hashed(SERVED) != hashed({**SERVED, "tokenizer": "n"})


def test_a_served_model_of_known_weights_has_their_name_tokenizer_and_training():
    model = config_of(SERVED).models["base"]
    assert (model.model, model.tokenizer, model.weights) == ("m", "m", "m")
    assert trainable(model, "x") == TransformersModel("m")
    half = config_of({**SERVED, "dtype": "float16"}).models["base"]
    assert trainable(half, "x") == TransformersModel("m", dtype="float16")
    named = config_of({**SERVED, "model": "m-8b", "tokenizer": "t"}).models["base"]
    assert (named.model, named.tokenizer) == ("m-8b", "t")


@pytest.mark.parametrize("kind", MODELS.values())
def test_idle_keys_are_keys(kind):
    names = {field.name for field in fields(kind)}
    idle = kind.IDLE | getattr(kind, "NAMES", frozenset())
    assert {key.split(".")[0] for key in idle} <= names


def test_weights_of_vllm_can_be_trained_and_a_served_model_cannot():
    options = {"enable_thinking": True}
    wanted = TransformersModel("m", dtype="bfloat16", chat_template=options)
    assert trainable(VllmModel("m", dtype="bfloat16", chat_template=options), "x") == wanted
    assert trainable(wanted, "x") is wanted
    with pytest.raises(UsageError, match=r"train\.model: .*weights"):
        trainable(ScriptedModel(), "train.model")


@pytest.mark.parametrize("engine", ["transformers", "scripted", "plain"])
def test_an_engine_that_cannot_end_thinking_refuses_its_budget(engine):
    model = {**OPENAI, "server": "plain"} if engine == "plain" else EXAMPLES[engine]
    with pytest.raises(UsageError, match=r"thinking_budget: expected none, because .*vllm"):
        config_of(model, thinking_budget=10)
    for able in ("vllm", "openai"):
        assert config_of(EXAMPLES[able], thinking_budget=10).decoding.thinking_budget == 10


def test_thinking_may_take_less_than_all_tokens():
    with pytest.raises(UsageError, match=r"thinking_budget: expected 0 or more, below .*\(64\)"):
        config_of(EXAMPLES["vllm"], thinking_budget=64)
