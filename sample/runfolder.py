"""The run folder: where one experiment lives on disk.

config.yaml      fully resolved; the run can be repeated from it
manifest.json    versions, hardware and hashes of problems, models and adapters
attempts.jsonl   one line per finished attempt (sample.store)
withdrawn.jsonl  attempts that were made again (sample.withdrawal)
order.json       family -> its problems as they are sampled and watched, where a rule may stop
adapters/NAME/   trained adapters
training.csv     a row for each of them
logs/            what the worker processes printed
error.log        the last unexpected error
summary.json, report.html
probes.json      what forage probe found
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sample.config import config_hash, read_yaml
from sample.engines.base import Served
from sample.errors import ForageError, UsageError
from sample.extension import asked_beyond, cut_back, grown_sets
from sample.models import engine_of, without_idle_keys
from sample.progress import say

IDLE_TRAINING = ("batch", "hardware", "vllm", "trackers")
"""Keys of the section ``train`` on which no result depends, except by rounding."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run; nothing is created until ``open_run``."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def attempts(self) -> Path:
        return self.path / "attempts.jsonl"

    @property
    def withdrawn(self) -> Path:
        return self.path / "withdrawn.jsonl"

    @property
    def order(self) -> Path:
        return self.path / "order.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def probes(self) -> Path:
        return self.path / "probes.json"

    @property
    def error_log(self) -> Path:
        return self.path / "error.log"

    def adapter(self, name: str) -> Path:
        return self.path / "adapters" / name

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder against other runs; the system lets go when the process ends.

        Raises:
            UsageError: another run holds it, it holds other files, or it cannot be made.
        """
        self._refuse_foreign_files()
        file = _lock(self.path)
        try:
            yield
        finally:
            os.close(file)

    def open_run(self, config: Mapping[str, Any]) -> str:
        """Start a run in an empty folder or go on with the one there; gives the config's hash.

        A config that asks for more than the one there (see ``sample.extension``) extends the run.

        Raises:
            UsageError: the folder holds a run of another config.
        """
        if self.config.exists():
            before = read_yaml(self.config)
            refuse_other_config(self.path, before, cut_back(before, config))
            if run_hash(before) != run_hash(config):
                self._extend(before, config)
        write_yaml(self.config, config)
        return run_hash(config)

    def _extend(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Note in the manifest what is asked beyond, and keep the hashes of sets that grow."""
        manifest, more = self.read_manifest(), list(asked_beyond(before, now))
        for family, count in grown_sets(before, now).items():
            if begun := manifest["hashes"].pop(f"problems {family}", None):
                manifest["hashes"][first_problems(family, count)] = begun
        hashes = {"before": run_hash(before), "config": run_hash(now)}
        step = {"time": _now(), **hashes, "more": more}
        manifest.setdefault("extensions", []).append(step)
        write_json(self.manifest, manifest)
        say(f"{self.path} is extended: {', '.join(more)}")

    def config_hashes(self) -> list[str]:
        """The hashes that records of config.yaml as it stands may carry: its own, and those of the
        configs that the run was extended from, the latest first."""
        known = [run_hash(read_yaml(self.config))]
        for step in reversed(self.read_manifest().get("extensions", [])):
            if step["config"] != known[-1] or "before" not in step:
                break
            known.append(step["before"])
        return known

    def _refuse_foreign_files(self) -> None:
        if self.config.exists() or not self.path.is_dir():
            return
        foreign = [p.name for p in self.path.iterdir() if not p.name.startswith(".")]
        if foreign:
            raise UsageError(
                f"{self.path} is not a run folder and not empty (it holds {min(foreign)}); "
                "use another -o DIR"
            )

    def read_manifest(self) -> dict[str, Any]:
        """The manifest, or a new one."""
        if self.manifest.exists():
            return read_json(self.manifest)
        return {"created": _now(), "hashes": {}, "environments": []}

    def record(self, environment: Mapping[str, Any], hashes: Mapping[str, str | None]) -> None:
        """Add what this run uses to the manifest.

        hashes: name of a problem set, model or adapter -> hash of its content (None = unknown).

        Raises:
            UsageError: something has changed since the records of this folder were made.
        """
        manifest = self.read_manifest()
        for name, value in hashes.items():
            before = manifest["hashes"].get(name)
            if before and value and before != value:
                raise UsageError(
                    f"{name} has changed since {self.path} was begun (hash {before}, now {value}); "
                    "bring the old one back or use another -o DIR"
                )
            manifest["hashes"][name] = value or before
        if environment not in manifest["environments"]:
            manifest["environments"].append(environment)
        write_json(self.manifest, manifest)

    def note_served(self, system: str, served: Served) -> None:
        """Add to the manifest what a server said that it answered for a system with."""
        manifest = self.read_manifest()
        known = manifest.setdefault("served", {}).setdefault(system, [])
        if asdict(served) not in known:
            known.append(asdict(served))
            write_json(self.manifest, manifest)


def first_problems(family: str, count: int | str) -> str:
    """The name in the manifest of what a set of problems was before it grew."""
    return f"problems {family}, first {count}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_hash(config: Mapping[str, Any]) -> str:
    """The config hash that stands in every record."""
    return config_hash(what_matters(config))


def what_matters(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config without the keys that say how it is run, so that they may change on resume.

    These are ``workers``, ``IDLE_TRAINING`` and the idle keys of each model (``sample.models``),
    e.g. its engine.
    """
    kept = {key: value for key, value in config.items() if key != "workers"}
    if isinstance(train := kept.get("train"), Mapping):
        kept["train"] = {k: v for k, v in train.items() if k not in IDLE_TRAINING}
    sample = kept.get("sample")
    if isinstance(sample, Mapping) and isinstance(sample.get("models"), Mapping):
        models = {
            name: without_idle_keys(model) if isinstance(model, Mapping) else model
            for name, model in sample["models"].items()
        }
        kept["sample"] = {**sample, "models": models}
    return kept


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole: after a kill it is the old one or the new one.

    Raises:
        ForageError: disk full or another write error.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text)
        os.replace(temporary, path)
    except OSError as error:
        raise ForageError(
            f"cannot write {path}: {error.strerror}; mend this and give the same command again"
        ) from None


def write_json(path: Path, data: Any) -> None:
    write_atomically(path, json.dumps(data, indent=1) + "\n")


def write_yaml(path: Path, data: Any) -> None:
    import yaml

    write_atomically(path, yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True))


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UsageError: no such file or not JSON.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise UsageError(
            f"{path} is not valid JSON; delete it and give the command again"
        ) from None


def _lock(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UsageError(f"cannot use {folder}: {error.strerror}; use another -o DIR") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise UsageError(
            f"another forage process is at work in {folder}; wait for it or use another -o DIR"
        ) from None
    return file


def refuse_other_config(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with a run under another config.

    before: the config of the run in ``folder``.

    Raises:
        UsageError: names the first key that differs, with both values.
    """
    if run_hash(before) == run_hash(now):
        return
    key, old, new = first_difference(what_matters(before), what_matters(now))
    raise UsageError(
        f"{folder} holds a run of another config: {key} is {old!r} there and {new!r} now; "
        f"{_other_engine(key, before, now)}use another -o DIR or the old config"
    )


def _other_engine(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why the engine matters, if ``key`` is of a model whose engine has changed."""
    for name, model in (now.get("sample") or {}).get("models", {}).items():
        both = before["sample"]["models"].get(name, model), model
        engines = [engine_of(one) for one in both]
        known = all(one.get("path") for one in both)
        if key.startswith(f"sample.models.{name}.") and len(set(engines)) == 2 and not known:
            unless = " without path beside engine: openai" if "openai" in engines else ""
            between = f"engines {engines[0]} and {engines[1]}"
            return f"{between} cannot be seen to run the same weights{unless}; "
    return ""


def first_difference(old: Any, new: Any, where: str = "") -> tuple[str, Any, Any]:
    """The first key, dotted, whose value differs, with both values; "not given" where it is not."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return where, old, new
    for key in [*old, *(key for key in new if key not in old)]:
        before, now = old.get(key, "not given"), new.get(key, "not given")
        if before != now:
            return first_difference(before, now, f"{where}.{key}".strip("."))
    raise ValueError("the configs are equal")
