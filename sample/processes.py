"""Worker processes that never outlive their parent and never leave it waiting."""

import faulthandler
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn

from sample.errors import ForageError, UsageError, one_line

Send = Callable[[Any], None]
FAREWELL = 5.0
"""Seconds that a process has to end after it has said what stopped it."""


@dataclass(frozen=True)
class Job:
    """One process: ``target(send, *args)``, a function of a module, with what it prints in a log.

    threads: how many threads its numerical libraries may use.
    """

    name: str
    target: Callable[..., None]
    args: tuple[Any, ...]
    log: Path
    threads: int


@dataclass(frozen=True)
class _Done:
    """The job's last message."""


@dataclass(frozen=True)
class _Failed:
    """The job's last message, if the user can mend what stopped it or not."""

    text: str
    usage: bool


def run_jobs(
    jobs: Iterable[Job],
    at_once: int,
    receive: Callable[[Any], None],
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Run every job, at most ``at_once`` at a time; ``receive`` each message that they send.

    tick: called about twice a second. However this ends, no process is left behind.

    Raises:
        ForageError: a job failed, crashed or was killed.
    """
    waiting = deque(jobs)
    running: list[_Running] = []
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Running(waiting.popleft()))
            wait([thing for job in running for thing in job.waitables], timeout=0.5)
            running = [job for job in running if not job.finished(receive)]
            tick()
    finally:
        for job in running:
            job.kill()


class _Running:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.done = False
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_child, args=(theirs, job))
        _start_deaf_to_interrupts(self.process)
        theirs.close()

    @property
    def waitables(self) -> list[Any]:
        return [self.process.sentinel] if self.done else [self.connection, self.process.sentinel]

    def finished(self, receive: Callable[[Any], None]) -> bool:
        """Pass on all messages; True once the process has ended well."""
        ended = self.process.exitcode is not None
        self._drain(receive)
        if ended and not self.done:
            self._refuse()
        return ended

    def kill(self) -> None:
        """End the process and whatever it has started, even if it is dead itself."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):  # nothing left, or too young to have its own group
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join()

    def _drain(self, receive: Callable[[Any], None]) -> None:
        while not self.done and (message := self._next()) is not None:
            if isinstance(message, _Failed):
                # Killed at once it would leave what it shares with this process to be cleaned up.
                self.process.join(FAREWELL)
                raise (UsageError if message.usage else ForageError)(message.text)
            self.done = isinstance(message, _Done)
            if not self.done:
                receive(message)

    def _next(self) -> Any:
        """The next message, None if there is none yet."""
        try:
            return self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError):
            self.process.join()
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise ForageError(
            f"{self.job.name} was killed or crashed (exit code {self.process.exitcode}, "
            f"see {self.job.log}); give the same command again to go on from here"
        )


def _start_deaf_to_interrupts(process: BaseProcess) -> None:
    """Start a process that ignores Ctrl-C from its first moment: the parent ends it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)


def _child(connection: Connection, job: Job) -> None:
    # A group of its own, so that what it starts (vLLM's processes) can be ended with it.
    os.setpgid(0, 0)
    _die_with_parent()
    _print_into(job.log)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(job.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        job.target(connection.send, *job.args)
        connection.send(_Done())
    except ForageError as error:
        connection.send(_Failed(str(error), isinstance(error, UsageError)))
    except Exception as error:
        traceback.print_exc()
        what = f"{type(error).__name__}: {one_line(error, 1000)}"
        connection.send(_Failed(f"{job.name}: {what[:300]} (traceback in {job.log})", False))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _print_into(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    faulthandler.enable()
