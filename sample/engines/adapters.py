"""LoRA adapter folders as servers of models see them: by content, not by path."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sample.config import System
from sample.errors import UsageError
from sample.provenance import files_hash
from sample.runfolder import read_json


@dataclass(frozen=True)
class LoraFolder:
    """name: from a hash of the content, so that a rewritten folder is another adapter: vLLM keys
    loaded weights and cached prefixes by name and id (vllm-project/vllm#30931, #42125).

    number: a positive 31-bit integer from the same hash. rank: the largest of its layers.
    base: the model it was made for, if it says so.
    """

    path: Path
    name: str
    number: int
    rank: int
    base: str | None


def read_lora(path: str) -> LoraFolder:
    """
    Raises:
        UsageError: no folder with a LoRA adapter in PEFT's format.
    """
    folder = Path(path).resolve()
    try:
        config = json.loads((folder / "adapter_config.json").read_text())
    except (OSError, ValueError):
        raise UsageError(
            f"adapter {path}: no readable adapter_config.json there; give a folder that "
            "'forage train' or PEFT's save_pretrained wrote"
        ) from None
    if config.get("peft_type") != "LORA":
        raise UsageError(f"adapter {path}: is {config.get('peft_type')}; this engine takes LoRA")
    content = files_hash(str(folder))
    assert content is not None
    rank = max([config["r"], *config.get("rank_pattern", {}).values()])
    number = int(content, 16) % (2**31 - 1) + 1
    base = config.get("base_model_name_or_path")
    return LoraFolder(folder, f"forage-{content}", number, rank, base)


def check_bases(systems: Iterable[System]) -> None:
    """
    Raises:
        UsageError: an adapter says that it was made for another model than the one it stands on.
    """
    for system in systems:
        if system.adapter is not None and system.model.weights is not None:
            path = Path(system.adapter)
            if (path / "adapter_config.json").is_file():
                made_for = read_json(path / "adapter_config.json").get("base_model_name_or_path")
                require_same_base(path, made_for, system.model.weights)


def require_same_base(path: Path, made_for: str | None, given: str | None) -> None:
    """
    Raises:
        UsageError: an adapter that says it was made for another model.
    """
    if not same_name(made_for, given):
        raise UsageError(
            f"adapter {path}: made for {made_for!r}, not for {given!r}; use it on that model, or "
            "correct base_model_name_or_path in its adapter_config.json if they are the same"
        )


def same_name(one: str | None, other: str | None) -> bool:
    """Whether two folders or Hub ids may be one model: by the last part, unless it is missing, or
    the hash that names a Hub snapshot."""
    names = [Path(name or "").name.lower() for name in (one, other)]
    return names[0] == names[1] or any(re.fullmatch(r"|[0-9a-f]{40}", name) for name in names)
