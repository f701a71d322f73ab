"""The training of one adapter by several processes, which accelerate starts, one for each GPU."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from sample.errors import ForageError, UsageError
from train.hardware import HardwareConfig
from train.task import Task

ARGUMENTS, SAID, FAILED = "arguments.pickle", "said.jsonl", "failed.json"


def train_in_processes(task: Task, adapter: Path, gpu: bool, send: Callable[[str], None]) -> None:
    """Call ``train.adapter.train_adapter`` for a task and a folder in every process.

    send: gets what the first of them warns of.

    Raises:
        UsageError: settings that cannot be trained.
        ForageError: a process failed.
    """
    with tempfile.TemporaryDirectory(prefix="forage-train-") as name:
        folder = Path(name)
        (folder / ARGUMENTS).write_bytes(pickle.dumps((task, adapter)))
        environment = os.environ | ({} if gpu else {"ACCELERATE_USE_CPU": "true"})
        command = _command(task.config.hardware, gpu, folder)
        with subprocess.Popen(command, env=environment) as launched:
            said = _lines(folder / SAID)
            while launched.poll() is None:
                for line in said:
                    if line is None:
                        break
                    send(json.loads(line))
                time.sleep(0.5)
        _require_success(folder, launched.returncode)


def _command(hardware: HardwareConfig, gpu: bool, folder: Path) -> list[str]:
    count = str(hardware.processes)
    if not gpu:  # accelerate launch has no way but MPI to start several processes on CPUs
        start = ["torch.distributed.run", "--standalone", "--nproc_per_node", count]
    else:
        config = hardware.launch or _data_parallel(folder)
        start = ["accelerate.commands.launch", "--config_file", config, "--num_processes", count]
        start += ["--main_process_port", "0"]
    return [sys.executable, "-m", *start, "-m", "train.launch", str(folder)]


def _data_parallel(folder: Path) -> str:
    """Said in full: without a file, accelerate takes what is in the user's home."""
    path = folder / "accelerate.json"
    path.write_text(json.dumps({"distributed_type": "MULTI_GPU", "num_machines": 1}))
    return str(path)


def _lines(path: Path) -> Iterator[str | None]:
    """Whole lines as they are written; None where there is no further one yet."""
    seen = 0
    while True:
        text = path.read_text() if path.exists() else ""
        end = text.rfind("\n") + 1
        yield from text[seen:end].splitlines()
        seen = end
        yield None


def _require_success(folder: Path, code: int) -> None:
    if (folder / FAILED).exists():
        failed = json.loads((folder / FAILED).read_text())
        raise (UsageError if failed["usage"] else ForageError)(failed["text"])
    if code:
        raise ForageError(
            f"train: a training process was killed or crashed (exit code {code}, see the log of "
            "the training); give the same command again to go on from the last checkpoint"
        )


def _work(folder: Path) -> None:
    """One of the processes."""
    from train.adapter import train_adapter

    first = os.environ.get("RANK", "0") == "0"
    if first:
        warnings.showwarning = lambda message, *_: _say(folder, str(message))
        warnings.filterwarnings("ignore", message="(?!train: |model )")
    try:
        train_adapter(*pickle.loads((folder / ARGUMENTS).read_bytes()))
    except ForageError as error:
        failed = {"text": str(error), "usage": isinstance(error, UsageError)}
        (folder / FAILED).write_text(json.dumps(failed))
        sys.exit(1)


def _say(folder: Path, message: str) -> None:
    with (folder / SAID).open("a") as file:
        file.write(json.dumps(message) + "\n")


def _die_with_parent() -> None:
    """The launcher starts this process in a session of its own, where a kill of the launcher does
    not reach it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _die_with_parent()
    _work(Path(sys.argv[1]))
