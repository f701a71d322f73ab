import json

import pytest
from listing_server import listing
from rich.console import Console

from sample import doctor
from sample.config import SampleConfig, parse
from sample.doctor import Finding, examine_config, examine_machine, show_findings

MODEL = "models/anchored"


def config_of(model, **more):
    data = {
        "models": {"base": model},
        "problems": {"countdown": {"task": "countdown"}},
        "arms": {"parallel": {"strategy": "parallel"}},
        **more,
    }
    return parse(SampleConfig, data, "sample")


def found(config):
    return {finding.what: finding for finding in examine_config(config)}


def test_the_shipped_model_can_be_had():
    assert not any(finding.wrong for finding in found(config_of({"path": MODEL})).values())


def test_every_fault_is_told_in_one_go(tmp_path):
    config = config_of(
        {"path": str(tmp_path / "nowhere")},
        problems={"mine": {"source": "file", "task": str(tmp_path / "none.jsonl")}},
        adapters={"adapted": {"path": str(tmp_path), "model": "base"}},
    )
    wrong = {what for what, finding in found(config).items() if finding.wrong}
    assert wrong == {"problems mine", "system base", "system adapted"}


def test_an_adapter_of_another_model_is_told(tmp_path):
    settings = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": "other/model"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    config = config_of({"path": MODEL}, adapters={"a": {"path": str(tmp_path), "model": "base"}})
    assert "made for 'other/model'" in str(found(config)["system a"].remedy)


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, {"data": [{"id": "models/small", "object": "model"}]}, None),
        (200, {"data": [{"id": "large", "object": "model"}]}, "it has: large"),
        (401, {"error": {"message": "bad key sesame"}}, "bad key ***"),
    ],
)
def test_a_server_is_asked_for_its_models(status, body, wrong, monkeypatch):
    monkeypatch.setenv("A_KEY", "sesame")
    with listing(status, body) as url:
        model = {"engine": "openai", "server": "plain", "model": "small", "urls": [url],
                 "key": "A_KEY", "retries": 0}  # fmt: skip
        remedy = found(config_of(model))["system base"].remedy
    assert remedy is None if wrong is None else wrong in str(remedy)


@pytest.mark.parametrize(
    ("root", "wrong"),
    [("/srv/models/small", None), ("org/large", "serves 'org/large' as 'org/small'"),
     (None, "serves None as")],
)  # fmt: skip
def test_a_server_says_which_weights_it_has(root, wrong):
    with listing(200, {"data": [{"id": "org/small", "root": root}]}) as url:
        model = {"engine": "openai", "path": "org/small", "urls": [url], "tokenizer": MODEL}
        remedy = found(config_of(model))["system base"].remedy
    assert remedy is None if wrong is None else wrong in str(remedy)


def test_a_missing_key_is_told():
    model = {"engine": "openai", "model": "m", "urls": ["http://127.0.0.1:9/v1"], "key": "NO_KEY"}
    assert "NO_KEY is not set" in str(found(config_of(model))["system base"].remedy)


def test_what_is_optional_does_not_fail_the_machine(tmp_path, monkeypatch):
    monkeypatch.setitem(doctor.EXTRAS, "odd", ("no_such_module",))
    findings = list(examine_machine(tmp_path))
    [odd] = [finding for finding in findings if finding.what == "extra odd"]
    assert odd.remedy and not odd.wrong
    assert show_findings([Finding("a", "b"), odd], Console(quiet=True))
    assert not show_findings([Finding("a", "", "mend it")], Console(quiet=True))
