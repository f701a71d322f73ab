"""The `sample` section of a config, and the edge where every section is validated.

One YAML file is one experiment; each package owns the dataclass of its section. Unknown keys and
wrong types are refused here, in one line; inside the program configs are plain frozen objects.
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sample.engines.base import Decoding
from sample.errors import UsageError, need
from sample.models import ModelConfig, TransformersModel, model_class
from sample.problems import SPLITS
from sample.records import ANSWER, TRACE, Graded

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

GENERATED = ("reasoning_gym", "python_functions")
"""Sources that write their problems; the others read them."""


@dataclass(frozen=True)
class AdapterConfig:
    """A PEFT folder evaluated on one of the models; trained adapters are added by themselves.

    path: for engine openai, a folder that a vLLM server can read, or the name it is served under.
    """

    path: str
    model: str = "base"


@dataclass(frozen=True)
class ProblemConfig:
    """Where a problem set comes from, and how its questions are put.

    source, task: "reasoning_gym" and one of its tasks; "python_functions" and "compositions";
        "hub" and a benchmark of ``sample.benchmarks`` or a dataset id of the Hugging Face Hub;
        "file" and a path.
    options: what the task takes, or the fields of ``sample.families.options``.
    prompt: the question as the model gets it, "{question}" standing for the bare one. Default: what
        the benchmark asks for, else "{question}".
    split: "train", "dev" or "test", by content hash; an evaluation set is "test" as a whole.
    count: how many different problems, drawn by ``seed``. Default: 300 of what is generated, else
        all.
    graded: "answer", what follows the thinking; or "trace" (mathematics), the last boxed value of
        thinking and answer, also where max_new_tokens cut them off, as in the scripts of
        arXiv 2604.05868 for open models.
    """

    task: str
    source: str = "reasoning_gym"
    options: Mapping[str, Any] = field(default_factory=dict)
    prompt: str = ""
    split: str = "test"
    count: int | None = None
    seed: int = 0
    graded: Graded = ANSWER

    def __post_init__(self) -> None:
        from sample.families.defaults import options_of, prompt_of

        known = (*GENERATED, "hub", "file")
        need(self.source in known, "problems: source", f"one of {', '.join(known)}", self.source)
        need(self.split in SPLITS, "problems: split", f"one of {', '.join(SPLITS)}", self.split)
        # Written into the config, so that a run shows and repeats what it was run with.
        object.__setattr__(self, "options", options_of(self))
        object.__setattr__(self, "prompt", self.prompt or prompt_of(self))
        if self.source in GENERATED and self.count is None:
            object.__setattr__(self, "count", 300)
        kinds = (ANSWER, TRACE) if self.options.get("grader") == "math" else (ANSWER,)
        expected = f"{' or '.join(kinds)} ({TRACE} is for mathematics)"
        need(self.graded in kinds, f"problems: {self.task}: graded", expected, self.graded)
        asked = self.prompt.count("{question}")
        need(asked == 1, f"problems: {self.task}: prompt", "{question} in it, once", self.prompt)


@dataclass(frozen=True)
class ArmConfig:
    """strategy with its options. systems: where it runs (None = on every model and adapter)."""

    strategy: str
    systems: tuple[str, ...] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SampleConfig:
    """attempts: N, the length of a chain. replicates: chains (and parallel groups) a problem.

    budget: most tokens that the attempts of a chain (or parallel group) generate together: where it
    ends, an attempt is cut, and the rest of the N are not made. None = N attempts.
    """

    models: Mapping[str, ModelConfig]
    problems: Mapping[str, ProblemConfig]
    arms: Mapping[str, ArmConfig]
    adapters: Mapping[str, AdapterConfig] = field(default_factory=dict)
    decoding: Decoding = field(default_factory=Decoding)
    attempts: int = 8
    replicates: int = 1
    budget: int | None = None

    def __post_init__(self) -> None:
        need(bool(self.models), "sample.models", "at least one model", "none")
        need(bool(self.problems), "sample.problems", "at least one problem set", "none")
        need(bool(self.arms), "sample.arms", "at least one arm", "none")
        need(self.attempts >= 1, "sample.attempts", "1 or more", self.attempts)
        need(self.replicates >= 1, "sample.replicates", "1 or more", self.replicates)
        budget = self.budget
        need(budget is None or budget >= 1, "sample.budget", "1 token or more", budget)
        self._check_decoding()
        for name, problems in self.problems.items():
            enough = problems.count is None or problems.count >= 1
            need(enough, f"sample.problems.{name}.count", "1 or more", problems.count)
        for name, model in self.models.items():
            model.check(f"sample.models.{name}", self.decoding)

    def _check_decoding(self) -> None:
        decoding, where = self.decoding, "sample.decoding"
        need(decoding.temperature >= 0, f"{where}.temperature", "0 or more", decoding.temperature)
        need(0 < decoding.top_p <= 1, f"{where}.top_p", "above 0, at most 1", decoding.top_p)
        need(decoding.top_k >= 0, f"{where}.top_k", "0 (off) or more", decoding.top_k)
        need(0 <= decoding.min_p <= 1, f"{where}.min_p", "0 (off) to 1", decoding.min_p)
        tokens = decoding.max_new_tokens
        need(tokens >= 1, f"{where}.max_new_tokens", "1 or more", tokens)
        thinking = decoding.thinking_budget
        expected = f"0 or more, below max_new_tokens ({tokens})"
        need(
            thinking is None or 0 <= thinking < tokens,
            f"{where}.thinking_budget",
            expected,
            thinking,
        )


@dataclass(frozen=True)
class System:
    """What one engine runs: a model, named ``base`` in the config, with or without an adapter."""

    name: str
    base: str
    model: ModelConfig
    adapter: str | None = None


def config_systems(config: SampleConfig) -> list[System]:
    """Each model by its name, then each configured adapter on its model.

    Raises:
        UsageError: an adapter on no known model, or with the name of another system.
    """
    systems = [System(name, name, model) for name, model in config.models.items()]
    for name, adapter in config.adapters.items():
        need(name not in config.models, f"sample.adapters.{name}", "a name no model has", name)
        model = find_model(config, adapter.model, f"sample.adapters.{name}.model")
        systems.append(System(name, adapter.model, model, adapter.path))
    return systems


def find_model(config: SampleConfig, name: str, where: str) -> ModelConfig:
    """The model of that name; ``where`` is the key that asked for it.

    Raises:
        UsageError: no such model.
    """
    need(name in config.models, where, f"one of {', '.join(config.models)}", name)
    return config.models[name]


def parse(cls: type[T], data: Any, where: str) -> T:
    """Build the dataclass ``cls`` (nested dataclasses too) from YAML data.

    Raises:
        UsageError: unknown key (with the nearest known one), missing key or wrong type.
    """
    from pydantic import ValidationError

    _refuse_unknown_keys(cls, data, where)
    try:
        return _adapter(cls).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([where, *_keys(first["loc"], data)]).strip(".")
        raise UsageError(f"config: {place}: {first['msg']} (given: {first['input']!r})") from None


@cache
def _adapter(cls: type[T]) -> "TypeAdapter[T]":
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _keys(location: Iterable[int | str], data: Any) -> Iterator[str]:
    """The part of a pydantic location that stands in the data: no names of union members."""
    *parts, last = location
    for part in parts:
        if isinstance(data, Mapping) and part not in data:
            continue
        data = data[part]
        yield str(part)
    yield str(last)


def _refuse_unknown_keys(kind: Any, data: Any, where: str) -> None:
    from typing import get_args, get_origin, get_type_hints

    if is_dataclass(kind) and isinstance(data, Mapping):
        types = get_type_hints(kind)
        hints = {f.name: types[f.name] for f in fields(kind)}
        refuse_unknown_keys(data, hints, where)
        for key, value in data.items():
            _refuse_unknown_keys(hints[key], value, f"{where}.{key}")
    elif get_origin(kind) is Mapping and isinstance(data, Mapping):
        for name, value in data.items():
            _refuse_unknown_keys(get_args(kind)[-1], value, f"{where}.{name}")
    elif get_origin(kind) is tuple and isinstance(data, (list, tuple)):
        for value in data:
            _refuse_unknown_keys(get_args(kind)[0], value, where)
    elif TransformersModel in get_args(kind):
        _refuse_unknown_keys(model_class(data, where), data, where)
    elif kind in (int, float) and isinstance(data, bool):
        raise UsageError(f"config: {where}: expected a number (given: {data})")
    else:
        for option in get_args(kind):
            _refuse_unknown_keys(option, data, where)


def refuse_unknown_keys(data: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse the first key of ``data`` that is not known.

    Raises:
        UsageError: names the key and the nearest known one.
    """
    known = list(known)
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise UsageError(f"config: unknown key {f'{where}.{key}'.strip('.')!r}; {hint}")


def read_yaml(path: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The mapping in a YAML file, with ``a.b.c=value`` overrides applied.

    Raises:
        UsageError: no such file, not YAML, not a mapping, or a malformed override.
    """
    import yaml

    try:
        data = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise UsageError(
            f"config: cannot read {path}: {error.strerror}; give a YAML file or a run folder"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(
            f"config: {path} is not valid YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(data, dict):
        raise UsageError(f"config: {path} must hold a mapping, e.g. 'sample: ...'")
    return override(data, overrides)


def override(data: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """The same mapping, with ``a.b.c=value`` overrides applied; values are YAML.

    Raises:
        UsageError: a malformed override.
    """
    import yaml

    for text in overrides:
        key, sep, value = text.partition("=")
        if not sep or not key:
            raise UsageError(f"--set takes key=value, e.g. sample.attempts=4 (given: {text!r})")
        try:
            _set(data, key.split("."), yaml.safe_load(value), text)
        except yaml.YAMLError:
            raise UsageError(f"--set {text}: the value is not valid YAML") from None
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


def plain_decoding(decoding: Decoding) -> dict[str, Any]:
    """As YAML data; min_p only if it is on, as configs were written before there was one."""
    return {key: value for key, value in plain(decoding).items() if key != "min_p" or value}


def _plain_mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    raise UsageError(f"config: {value!r} is a {type(value).__name__}; put it in quotes")


def config_hash(data: Mapping[str, Any]) -> str:
    """12 hex digits over a resolved config; stands in every record of the run."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
