"""What to change where a training does not fit on its GPU."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from train.footprint import Setting, memory_of, vllm_room

ALL = "all of these, in this order"
EIGHT_BITS = "fp8_per_tensor"
"""vLLM's name of what turns 16-bit weights of linear layers into 8-bit ones when it loads them."""


def remedies(setting: Setting) -> dict[str, Setting]:
    """Each change that makes it need less memory or a vLLM start, by itself, then all of them."""
    now = memory_of(setting)
    found, together = {}, setting
    for text, change in _changes(setting):
        then = memory_of(change(setting))
        if then.total < now.total or (then.starts and not now.starts):
            found[text], together = change(setting), change(together)
    if len(found) > 1:
        found[ALL] = together
    vllm = setting.config.vllm
    if vllm is not None and vllm.mode == "colocate":
        served = replace(vllm, mode="server", urls=("http://HOST:8000/v1",), arguments={})
        found["vLLM on a GPU of its own: train.vllm, mode: server"] = _with(setting, vllm=served)
    return found


def _changes(setting: Setting) -> Iterator[tuple[str, Callable[[Setting], Setting]]]:
    """What to give the command, and what it makes of a setting."""
    hardware, vllm = setting.config.hardware, setting.config.vllm
    keys: dict[str, dict[str, Any]] = {
        "hardware.checkpointing=true": {"hardware": replace(hardware, checkpointing=True)},
        "batch=1": {"batch": 1},
    }
    if not hardware.shards:
        keys["quantize=4bit"] = {"quantize": "4bit"}
    if vllm is not None and vllm.mode == "colocate":
        keys |= dict(_small_vllm(setting, given) for given in ({}, {"quantization": EIGHT_BITS}))
    for text, also in keys.items():
        words = " ".join(f"--set train.{one}" for one in text.split(" "))
        yield words, partial(_with, **also)
    if vllm is None:
        few = max(1, setting.at_once // 8)
        fewer = replace(setting.model, batch=few)
        text = f"--set sample.models.{setting.config.model}.batch={few}"
        yield text, lambda other: replace(other, model=fewer)


def _small_vllm(setting: Setting, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The smallest share with room for one attempt, and a context that is no longer than it."""
    vllm = setting.config.vllm
    assert vllm is not None
    arguments = {**vllm.arguments, "max_model_len": setting.longest, **given}
    room = vllm_room(_with(setting, vllm=replace(vllm, arguments=arguments)))
    assert room is not None
    share = min(0.99, round(room.least / setting.gpu.memory + 0.005, 2))
    words = [f"vllm.memory={share}", f"vllm.arguments.max_model_len={setting.longest}"]
    words += [f"vllm.arguments.{key}={value}" for key, value in given.items()]
    return " ".join(words), {"vllm": replace(vllm, memory=share, arguments=arguments)}


def _with(setting: Setting, **changes: Any) -> Setting:
    return replace(setting, config=replace(setting.config, **changes))
