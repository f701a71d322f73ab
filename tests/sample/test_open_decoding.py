"""What a config leaves open is the model's own, once, and then the run's."""

import json

import pytest

from experiment import begun, checked, resolved
from sample.errors import UsageError
from sample.models import OpenAIModel, TransformersModel
from sample.open_decoding import shipped_decoding

SHIPPED = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "eos_token_id": 1}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    return path


def model_with(folder, **said):
    (folder / "generation_config.json").write_text(json.dumps(said))
    return TransformersModel(str(folder))


def config_of(tmp_path, folder, **decoding):
    path = tmp_path / "config.yaml"
    sample = {
        "models": {"base": {"path": str(folder)}},
        "problems": {"sums": {"task": "chain_sum", "count": 2}},
        "arms": {"parallel": {"strategy": "parallel"}},
    }
    path.write_text(json.dumps({"name": "x", "sample": sample | {"decoding": decoding}}))
    return path


def test_open_settings_are_the_models_own_and_given_ones_stay(folder, capsys):
    model = model_with(folder, **SHIPPED)
    given = {"temperature": 1.0, "max_new_tokens": 9}
    assert shipped_decoding(model, given, reach=True) == {"top_p": 0.95, "top_k": 20}
    assert "top_p 0.95, top_k 20, from generation_config.json of" in capsys.readouterr().err
    longer = model_with(folder, max_new_tokens=2048)
    assert shipped_decoding(longer, {}, reach=True) == {"max_new_tokens": 2048}


def test_where_the_model_says_nothing_the_length_is_told(folder, capsys):
    greedy = model_with(folder, **SHIPPED | {"do_sample": False})
    served = OpenAIModel("m", ("http://a",))
    for model in (greedy, TransformersModel(str(folder.parent)), served):
        assert shipped_decoding(model, {}, reach=True) == {}
        assert "max_new_tokens is not given: 64, attempts are cut off" in capsys.readouterr().err
    assert shipped_decoding(served, {"max_new_tokens": 8}, reach=True) == {}
    assert not capsys.readouterr().err


def test_a_run_keeps_the_settings_it_was_begun_with(tmp_path, folder):
    model_with(folder, **SHIPPED)
    config, run = config_of(tmp_path, folder, top_k=5), tmp_path / "run"
    with begun(config, run, (), "sample") as (experiment, _):
        decoding = experiment.section("sample").decoding
    assert (decoding.temperature, decoding.top_p, decoding.top_k) == (0.6, 0.95, 5)
    before = (run / "config.yaml").read_bytes()
    model_with(folder, **SHIPPED | {"temperature": 0.1})
    with begun(config, run, (), "sample") as (experiment, _):
        assert experiment.section("sample").decoding == decoding
    assert (run / "config.yaml").read_bytes() == before
    with begun(config, run, ("sample.replicates=2",), "sample") as (experiment, _):
        assert experiment.section("sample").decoding == decoding
    other = begun(config, run, ("sample.replicates=2", "sample.decoding.temperature=0.2"), "sample")
    with pytest.raises(UsageError, match=r"temperature is 0\.6 there and 0\.2"), other:
        pass


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_file_is_named(folder, text):
    (folder / "generation_config.json").write_text(text)
    with pytest.raises(UsageError, match="generation_config"):
        shipped_decoding(TransformersModel(str(folder)), {}, reach=True)


def test_grpo_learns_of_the_whole_distribution_unless_told_otherwise(tmp_path, folder):
    model_with(folder, **SHIPPED)
    config = config_of(tmp_path, folder, max_new_tokens=8)
    for algorithm, top_p, top_k in (("grpo", 1.0, 0), ("sft", 0.95, 20)):
        methods = f"train.methods={{m: {{algorithm: {algorithm}}}}}"
        experiment, _ = checked(config, None, (methods,), "sample")
        decoding = experiment.section("sample").decoding
        assert (decoding.temperature, decoding.top_p, decoding.top_k) == (0.6, top_p, top_k)


def test_what_is_held_against_the_length_is_held_against_the_models_own(tmp_path, folder):
    model_with(folder, max_new_tokens=512)
    arms = "sample.arms={all: {strategy: aggregate}}"
    config = config_of(tmp_path, folder, thinking_budget=100)
    engine = "sample.models.base.engine=vllm"
    experiment, _ = checked(config, None, (engine,), "sample")
    assert experiment.section("sample").decoding.max_new_tokens == 512
    with pytest.raises(UsageError, match="below max_new_tokens"):
        checked(config, None, (engine, "sample.decoding.thinking_budget=512"), "sample")
    bare = config_of(tmp_path, folder)
    sizes = (arms, "sample.attempts=4", "sample.decoding.top_k=0")
    checked(bare, None, (*sizes, "sample.budget=2000"), "sample")
    with pytest.raises(UsageError, match="budget"):
        checked(bare, None, (*sizes, "sample.budget=400"), "sample")


def test_a_hub_that_cannot_be_reached_is_told_unless_nothing_is_open(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    config = config_of(tmp_path, "someone/some-model", temperature=1.0, max_new_tokens=8)
    said, run = r"top_p, top_k not given.*decoding\.top_p=1\.0", begun(config, tmp_path / "run", ())
    with pytest.raises(UsageError, match=said) as error, run:
        pass
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()
    experiment, _ = checked(config, None, (), "sample")
    assert resolved(experiment)["sample"]["decoding"]["top_k"] == 0
    length = "max_new_tokens not given.*decoding\\.max_new_tokens=64"
    given = ("sample.decoding={temperature: 1.0, top_p: 1.0, top_k: 0}",)
    with pytest.raises(UsageError, match=length), begun(config, tmp_path / "run", given):
        pass
    whole = ("sample.decoding.top_p=1.0", "sample.decoding.top_k=0")
    with begun(config, tmp_path / "run", whole, "sample"):
        pass
