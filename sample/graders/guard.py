"""Judging in a process of its own, so that an answer can neither hang nor exhaust the run.

Answers are model-written: ``9^{9^{9^9}}`` is short, and computing it never ends. A signal cannot
stop it (Python hears signals between bytecodes only, and in the main thread only), the limits of
the operating system can. The limit is on CPU time: with wall time, grades would depend on how busy
the machine is.
"""

import contextlib
import math
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from sample.errors import one_line
from sample.graders.base import GradingError

CPU_SECONDS = 10
MEMORY = 4 << 30
"""Bytes that judging may map, beside what the process maps when it starts."""

T = TypeVar("T")


class Guard:
    """Runs functions of modules, one at a time, in a process that is replaced when it dies."""

    def __init__(self, cpu_seconds: int = CPU_SECONDS, memory: int = MEMORY) -> None:
        self._limits = cpu_seconds, memory
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._process: BaseProcess | None = None
        self._owner = 0

    def __call__(self, function: Callable[..., T], *args: Any) -> T:
        """``function(*args)``; function, arguments and result must be picklable.

        Raises:
            GradingError: it raised, or used more CPU time or memory than is allowed.
        """
        with self._lock:
            well, result = self._run(function, args)
        if not well:
            raise GradingError(result)
        return result

    def _run(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
        connection = self._connected()
        try:
            connection.send((function, args))
            return connection.recv()
        except (EOFError, OSError):
            reason = self._why_it_ended()
            self._forget()
            return False, reason
        except BaseException:
            # An interrupted call would leave its result to the next one.
            self._forget()
            raise

    def _connected(self) -> Connection:
        # After a fork both processes would read from one pipe.
        if self._connection is None or self._owner != os.getpid():
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._owner = os.getpid()
            arguments = (theirs, *self._limits)
            self._process = context.Process(target=_serve, args=arguments, daemon=True)
            self._process.start()
            theirs.close()
        return self._connection

    def _why_it_ended(self) -> str:
        assert self._process is not None
        self._process.join(10)
        if self._process.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"no judgement within {self._limits[0]} s of CPU time"
        return f"the judging process ended with exit code {self._process.exitcode}"

    def _forget(self) -> None:
        """Let go of the process, which ends when its pipe closes or its CPU time is up."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


guarded = Guard()


def _serve(connection: Connection, cpu_seconds: int, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    _silence()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # no such limit on this system
        _allow(resource.RLIMIT_AS, _mapped() + memory)
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, args = connection.recv()
            _allow(resource.RLIMIT_CPU, math.ceil(_cpu_seconds_used()) + cpu_seconds)
            connection.send(_result(function, args))


def _result(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*args)
    except Exception as error:
        return False, f"{type(error).__name__}: {one_line(error)}"


def _allow(limit: int, most: int) -> None:
    hard = resource.getrlimit(limit)[1]
    resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _mapped() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _cpu_seconds_used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _silence() -> None:
    """Scorers print and warn; errors travel through the pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
