"""A run: how the command line names it, and how it is worked on."""

import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sample.config import override, read_yaml
from sample.errors import ForageError, UsageError, one_line
from sample.open_decoding import decoding_of, fill_open
from sample.runfolder import RunFolder


def find_run(
    target: Path, out: Path | None, overrides: tuple[str, ...], *, bare: bool = False
) -> tuple[dict[str, Any], RunFolder]:
    """The YAML data of CONFIG_OR_RUN, and the run folder it means.

    bare: a folder without a config is taken too; its data is then its name alone. Decoding settings
    that a file leaves open are those that the run in the folder was begun with, if there is one.

    Raises:
        UsageError: no such file, not YAML, not a mapping, or a malformed override.
    """
    if not target.is_dir():
        data = read_yaml(target, overrides)
        folder = RunFolder(out or Path("runs") / str(data.get("name", "")))
        begun = read_yaml(folder.config) if folder.config.exists() else {}
        return fill_open(data, decoding_of(begun) or {}), folder
    folder = RunFolder(target)
    if bare and not folder.config.exists():
        data = override({"name": folder_name(target.resolve().name)}, overrides)
    else:
        data = read_yaml(folder.config, overrides)
    return data, RunFolder(out or target)


def folder_name(text: str) -> str:
    """The text as a legal name of a run."""
    return re.sub(r"[^\w.-]", "-", text).lstrip(".-") or "data"


def folder_for_files(path: Path) -> RunFolder:
    """A folder for what is made of others' files; it is created.

    Raises:
        UsageError: it holds a run, whose results must not be replaced, or cannot be made.
    """
    folder = RunFolder(path)
    if folder.config.exists() or folder.attempts.exists():
        raise UsageError(f"{path} holds a run, which would lose its results; use another -o DIR")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot use {path}: {error.strerror}; use another -o DIR") from None
    return folder


def find_existing_run(
    target: Path, out: Path | None, overrides: tuple[str, ...] = ()
) -> tuple[dict[str, Any], RunFolder]:
    """Like ``find_run``, of a folder that is there, with or without a config.

    Raises:
        UsageError: as there, or no such folder.
    """
    if target.is_file() and target.suffix not in ("", ".yaml", ".yml"):
        raise UsageError(
            f"{target} is a file, and this verb takes only run folders; forage analyze reads files"
        )
    data, folder = find_run(target, out, overrides, bare=True)
    if not folder.path.is_dir():
        raise UsageError(f"no run folder {folder.path}; first: forage run {target}")
    return data, folder


@dataclass(frozen=True)
class Run:
    """One at work. hashed: the config hash for the records. seed, workers: as in the config."""

    folder: RunFolder
    hashed: str
    seed: int
    workers: int


@contextmanager
def at_work(folder: RunFolder, config: Mapping[str, Any]) -> Iterator[Run]:
    """Lock the folder, begin or resume the run of a resolved config, log unexpected errors there.

    Raises:
        UsageError: the folder is in use, or holds something else than this run.
        ForageError: in place of an unexpected error.
    """
    with folder.locked():
        hashed = folder.open_run(config)
        with logged(folder.error_log):
            yield Run(folder, hashed, config["seed"], config["workers"])


@contextmanager
def logged(log: Path) -> Iterator[None]:
    """Write the traceback of an unexpected error to ``log``.

    Raises:
        ForageError: in its place, one line that names the log.
    """
    try:
        yield
    except (ForageError, BrokenPipeError):
        raise
    except Exception as error:
        log.write_text(traceback.format_exc())
        what = one_line(error)
        raise ForageError(f"{type(error).__name__}: {what} (traceback in {log})") from error
