import asyncio
import json

import pytest
import torch
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model

from sample.engines.base import Decoding, Request
from sample.engines.loading import load_adapter, load_engine, load_model, load_tokenizer
from sample.engines.transformers import TransformersEngine
from sample.errors import UsageError
from sample.models import TransformersModel

REQUEST = Request([{"role": "user", "content": "w1 w2 w3"}], 3, Decoding(max_new_tokens=12))


@pytest.fixture
def folder(model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def adapter_for(model, path, targets="all-linear", **lora) -> str:
    torch.manual_seed(1)
    adapted = get_peft_model(
        model, LoraConfig(r=4, target_modules=targets, init_lora_weights=False, **lora)
    )
    adapted.save_pretrained(path)
    adapted.unload()
    return path


def generated(engine) -> str:
    generation = asyncio.run(engine.generate(REQUEST))
    return generation.thinking + generation.text


def test_a_saved_model_samples_like_the_one_in_memory(folder, model, tokenizer):
    engine = load_engine(TransformersModel(str(folder), batch=8), None)
    assert generated(engine) == generated(TransformersEngine(model, tokenizer, 8))


def test_an_adapter_is_merged_in_float32_and_kept_apart_in_bfloat16(folder, tmp_path):
    path = adapter_for(load_model(str(folder)), tmp_path / "adapter")
    plain = load_model(str(folder))
    apart = PeftModel.from_pretrained(load_model(str(folder)), path).eval()
    merged = load_adapter(load_model(str(folder)), path)
    assert not isinstance(merged, PeftModel)
    ids = torch.arange(10)[None]
    assert torch.allclose(merged(ids).logits, apart(ids).logits, atol=1e-4)
    assert not torch.allclose(merged(ids).logits, plain(ids).logits, atol=1e-2)
    kept = load_adapter(load_model(str(folder), "bfloat16"), path)
    assert isinstance(kept, PeftModel) and not kept.training
    config = TransformersModel(str(folder), dtype="bfloat16")
    assert load_engine(config, path).count_prompt_tokens(REQUEST.messages) == 6
    assert generated(load_engine(config, path))


def test_torn_weights_are_refused_by_name(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UsageError, match=f"model '{folder}'"):
        load_model(str(folder))


def test_missing_models_are_refused_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    for path, hint in [
        (tmp_path / "absent", "no such folder"),
        (tmp_path / "empty", "no config.json"),
        ("./absent", "no such folder"),
        ("tests/absent", "no such folder"),
    ]:
        for load in (load_model, load_tokenizer):
            with pytest.raises(UsageError, match=hint) as error:
                load(str(path))
            assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_bad_dtype_and_device_are_refused(folder):
    with pytest.raises(UsageError, match="dtype must be one of"):
        load_model(str(folder), "float8")
    with pytest.raises(UsageError, match="device 'gpu9'"):
        load_model(str(folder), device="gpu9")


def test_a_model_of_unknown_type_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of"}))
    with pytest.raises(UsageError, match="unheard-of"):
        load_model(str(folder))


def test_a_tokenizer_without_chat_template_is_refused(folder):
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UsageError, match="no chat template"):
        load_engine(TransformersModel(str(folder)), None)


def test_a_folder_without_adapter_is_refused(model, tmp_path):
    with pytest.raises(UsageError, match=r"no adapter_config\.json"):
        load_adapter(model, tmp_path)


@pytest.mark.parametrize(
    "other",
    [
        {"hidden_size": 64},
        {"num_hidden_layers": 1},
        {"num_hidden_layers": 3},
    ],
)
def test_an_adapter_for_another_shape_is_refused(folder, make_model, tmp_path, other):
    path = adapter_for(make_model(**other), tmp_path / "adapter", ["q_proj", "v_proj"])
    with pytest.raises(UsageError, match="does not fit"):
        load_adapter(load_model(str(folder)), path)


def test_an_adapter_named_for_another_model_is_refused(folder, tmp_path):
    path = adapter_for(load_model(str(folder)), tmp_path / "adapter")
    renamed = folder.rename(tmp_path / "other")
    with pytest.raises(UsageError, match=r"made for .*tiny"):
        load_adapter(load_model(str(renamed)), path)


def test_an_adapter_with_further_trained_modules_fits(folder, tmp_path):
    path = adapter_for(
        load_model(str(folder)), tmp_path / "adapter", ["q_proj"], modules_to_save=["norm"]
    )
    assert load_adapter(load_model(str(folder)), path).dtype == torch.float32


def test_prompt_tuning_is_refused(folder, tmp_path):
    tuned = get_peft_model(
        load_model(str(folder)), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    )
    tuned.save_pretrained(tmp_path / "prompt")
    with pytest.raises(UsageError, match="use LoRA"):
        load_adapter(load_model(str(folder)), tmp_path / "prompt")
