"""Decoding settings that a config leaves open: those that the model's makers ship with it.

They stand in its ``generation_config.json``, which transformers and vLLM read too. What is filled
in is written into the run's config, so a run that goes on keeps what it was begun with.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sample.config import Decoding
from sample.errors import UsageError, one_line
from sample.models import ModelConfig
from sample.progress import say

SAMPLER = ("temperature", "top_p", "top_k")
LENGTH = "max_new_tokens"
WHOLE = {"top_p": 1.0, "top_k": 0}
"""Those that leave the distribution over all tokens as it is."""
FILE = "generation_config.json"


def decoding_of(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The decoding settings that YAML data gives; None = it has no sampling to give them for."""
    sample = data.get("sample")
    if not isinstance(sample, Mapping):
        return None
    given = sample.get("decoding", {})
    return given if isinstance(given, Mapping) else None


def fill_open(data: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The data with those of the known decoding settings that it leaves open."""
    given = decoding_of(data)
    if given is None:
        return dict(data)
    added = {key: known[key] for key in (*SAMPLER, LENGTH) if key in known and key not in given}
    return {**data, "sample": {**data["sample"], "decoding": {**given, **added}}}


def shipped_decoding(
    model: ModelConfig, given: Mapping[str, Any], *, reach: bool
) -> dict[str, Any]:
    """What a model's own file says of the settings that are not given, told in one line each.

    reach: the file may be asked of the Hub; else it is read where it lies on this machine.

    Raises:
        UsageError: the Hub cannot be asked, or the file is damaged.
    """
    missing = [key for key in (*SAMPLER, LENGTH) if key not in given]
    path = getattr(model, "path", None)
    shipped = _shipped(path, missing, reach) if path else {}
    found = {key: shipped[key] for key in missing if key in shipped}
    if found:
        listed = ", ".join(f"{key} {value}" for key, value in found.items())
        say(f"sample.decoding: {listed}, from {FILE} of {path}")
    if LENGTH not in {*given, *found}:
        length = Decoding().max_new_tokens
        known = reach or not path or Path(path).is_dir()
        unless = "" if known else f", unless {FILE} of {path} says otherwise when it runs"
        say(f"sample.decoding.{LENGTH} is not given: {length}, attempts are cut off there{unless}")
    return found


def _shipped(path: str, missing: list[str], reach: bool) -> dict[str, Any]:
    file = _file(path, missing if reach else [])
    said = _read(file) if file else {}
    numbers = {k: v for k, v in said.items() if k in (*SAMPLER, LENGTH) and _is_number(v)}
    if said.get("do_sample") is False:
        return {LENGTH: numbers[LENGTH]} if LENGTH in numbers else {}
    return numbers


def _read(file: Path) -> dict[str, Any]:
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"config: cannot read {file}: {one_line(error, 100)}") from None
    if not isinstance(said, dict):
        raise UsageError(f"config: {file}: expected a JSON object (given: {said!s:.40})")
    return said


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _file(path: str, missing: list[str]) -> Path | None:
    """The file in a model's folder, in the Hub's local cache, or on the Hub if any is missing."""
    folder = Path(path)
    if folder.is_dir():
        return folder / FILE if (folder / FILE).is_file() else None
    if path.startswith((".", "/", "~")) or ("/" in path and folder.parent.is_dir()):
        return None  # meant as a folder, and refused when the model is loaded
    from huggingface_hub import _CACHED_NO_EXIST, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
    )  # fmt: skip

    try:
        cached = try_to_load_from_cache(path, FILE)
        if isinstance(cached, str) or cached is _CACHED_NO_EXIST or not missing:
            return Path(cached) if isinstance(cached, str) else None
        return Path(hf_hub_download(path, FILE))
    except HFValidationError:
        return None
    except Exception as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            return None
        raise UsageError(
            f"config: sample.decoding: {', '.join(missing)} not given, and {FILE} of {path!r} "
            f"cannot be read ({one_line(error, 150)}); give them, e.g. --set "
            f"sample.decoding.{missing[0]}={getattr(Decoding(), missing[0])}, or make the Hub "
            "reachable"
        ) from None
