"""The `sample` section of a config, and the edge where every section is validated.

One YAML file is one experiment; each package owns the dataclass of its section. Unknown keys and
wrong types are refused here, in one line; inside the program configs are plain frozen objects.
"""

import collections.abc
import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from sample.engines.base import Decoding
from sample.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class ModelConfig:
    """path: a folder or a Hub id. chat_template: options passed to it, e.g. enable_thinking."""

    path: str
    engine: str = "transformers"
    dtype: str = "auto"
    device: str = "auto"
    batch: int = 256
    chat_template: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AdapterConfig:
    """A PEFT folder evaluated on one of the models; trained adapters are added by themselves."""

    path: str
    model: str = "base"


@dataclass(frozen=True)
class ProblemConfig:
    """source: "reasoning_gym". task: its name there. options: passed to it. split: by content hash."""

    task: str
    source: str = "reasoning_gym"
    options: Mapping[str, Any] = field(default_factory=dict)
    split: str = "test"
    count: int = 300
    seed: int = 0


@dataclass(frozen=True)
class ArmConfig:
    """strategy with its options. systems: where it runs (None = on every model and adapter)."""

    strategy: str
    systems: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleConfig:
    """attempts: N, the length of a chain. replicates: chains (and parallel groups) a problem."""

    models: Mapping[str, ModelConfig]
    problems: Mapping[str, ProblemConfig]
    arms: Mapping[str, ArmConfig]
    adapters: Mapping[str, AdapterConfig] = field(default_factory=dict)
    decoding: Decoding = Decoding()
    attempts: int = 8
    replicates: int = 1


def parse(cls: type[T], data: Any, where: str) -> T:
    """Build the dataclass ``cls`` (nested dataclasses too) from YAML data.

    Raises:
        UsageError: unknown key (with the nearest known one), missing key or wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    _refuse_unknown_keys(cls, data, where)
    try:
        return TypeAdapter(cls).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([where, *(str(part) for part in first["loc"])]).strip(".")
        raise UsageError(f"config: {place}: {first['msg']} (given: {first['input']!r})") from None


def _refuse_unknown_keys(cls: Any, data: Any, where: str) -> None:
    from typing import get_args, get_origin, get_type_hints

    if not is_dataclass(cls) or not isinstance(data, Mapping):
        return
    hints = get_type_hints(cls)
    for key, value in data.items():
        place = f"{where}.{key}".strip(".")
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, 1)
            known = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(hints)}"
            raise UsageError(f"config: unknown key {place!r}; {known}")
        for kind in (hints[key], *get_args(hints[key])):
            if get_origin(hints[key]) is not collections.abc.Mapping:
                _refuse_unknown_keys(kind, value, place)
            elif isinstance(value, Mapping):
                for name, item in value.items():
                    _refuse_unknown_keys(kind, item, f"{place}.{name}")


def read_yaml(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, with ``a.b.c=value`` overrides applied.

    Raises:
        UsageError: no such file, not YAML, not a mapping, or a malformed override.
    """
    import yaml

    try:
        data = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UsageError(f"config: cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"config: {path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UsageError(f"config: {path} must hold a mapping, e.g. 'sample: ...'")
    for override in overrides:
        key, sep, text = override.partition("=")
        if not sep or not key:
            raise UsageError(f"--set takes key=value, e.g. sample.attempts=4 (given: {override!r})")
        _set(data, key.split("."), yaml.safe_load(text), override)
    return data


def _set(data: dict[str, Any], path: list[str], value: Any, override: str) -> None:
    *parents, last = path
    for name in parents:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise UsageError(f"--set {override}: {name!r} holds a value, not a mapping")
    data[last] = value


def plain(config: Any) -> dict[str, Any]:
    """A config dataclass as YAML/JSON data, every default written out."""
    return json.loads(json.dumps(asdict(config), default=_plain_mapping))


def _plain_mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    raise TypeError(f"{type(value).__name__} in a config")


def config_hash(data: Mapping[str, Any]) -> str:
    """12 hex digits over a resolved config; stands in every record of the run."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
