import json

import pytest

from sample.config import System
from sample.engines.adapters import check_bases, read_lora
from sample.errors import UsageError
from sample.models import OpenAIModel, TransformersModel, VllmModel


@pytest.fixture
def folder(tmp_path):
    write_config(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    return tmp_path


def write_config(folder, **changes):
    config = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": "org/tiny", **changes}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def test_a_rewritten_folder_is_another_adapter_and_a_copy_is_not(folder, tmp_path_factory):
    before = read_lora(str(folder))
    copy = tmp_path_factory.mktemp("copy")
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert read_lora(str(copy)).name == before.name
    assert (before.rank, before.base) == (8, "org/tiny")
    assert 0 < before.number < 2**31
    (folder / "adapter_model.safetensors").write_bytes(b"Weights")
    after = read_lora(str(folder))
    assert after.name != before.name and after.number != before.number


def test_the_largest_rank_of_a_layer_counts(folder):
    write_config(folder, rank_pattern={"q_proj": 32, "v_proj": 4})
    assert read_lora(str(folder)).rank == 32


def test_what_is_no_lora_is_refused(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(UsageError, match=r"no readable adapter_config\.json"):
        read_lora(str(empty))
    write_config(folder, peft_type="PROMPT_TUNING")
    with pytest.raises(UsageError, match="PROMPT_TUNING"):
        read_lora(str(folder))


@pytest.mark.parametrize("kind", [TransformersModel, VllmModel])
def test_an_adapter_of_another_base_is_refused_before_any_model_is_loaded(folder, kind):
    def check(base):
        check_bases([System(base, base, kind(base)), System("a", base, kind(base), str(folder))])

    check("elsewhere/tiny")
    with pytest.raises(UsageError, match="made for 'org/tiny', not for 'org/large'"):
        check("org/large")
    write_config(folder, base_model_name_or_path=None)
    check("org/large")


def test_names_of_adapters_on_a_server_are_not_looked_up():
    served = OpenAIModel("tiny", ("http://127.0.0.1:8000/v1",))
    check_bases([System("a", "served", served, "some-name")])
