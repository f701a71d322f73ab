"""The supervisor's end of the candidate: starts it, asks it, times it, ends it."""

import fcntl
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from sample.sandbox.inside.candidate import become_candidate
from sample.sandbox.inside.messages import BrokenChannel, receive, send

Reply = dict[str, Any]
_TICK = 0.25
"""Seconds between two looks at the clocks."""
_MOMENT = 0.1
"""CPU seconds for which a program that passed its wall limit is watched."""


class TimeUp(BaseException):
    """A time limit has passed."""


class CandidateGone(BaseException):
    """The program can answer no more; the text says why.

    Not an ``Exception``: tests that catch exceptions of the program must not catch it.
    """


class Channel:
    """A candidate that is being asked. gone: why it can answer no more, None while it can.
    undecided: it was given up although it was computing."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.limits = job["limits"]
        self.gone: str | None = None
        self.undecided = False
        self._awaited: int | None = None
        requests, self.requests = os.pipe()
        self.replies, replies = os.pipe()
        self.output, output = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()  # a signal to its process group must not reach this process
            null = os.open("/dev/null", os.O_RDWR)
            main = job["entry"] is None
            stdin, stdout = (_file_with(job["stdin"]), output) if main else (null, null)
            _hold_only(stdin, stdout, null, requests, replies)
            become_candidate(job, 3, 4)
        for file in (requests, replies, output):
            os.close(file)
        signal.signal(signal.SIGALRM, self._tick)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """The time limits of one test; they strike again and again, should the test swallow it.

        Raises:
            CandidateGone: one has passed.
        """
        self._began = time.monotonic(), self._cpu_seconds()
        first = min(self.limits["cpu"], self.limits["wall"])
        signal.setitimer(signal.ITIMER_REAL, first, _TICK)
        try:
            yield
            self._tick()
        except TimeUp:
            self._stop()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, *_: Any) -> None:
        waited, used = self._in_this_test()
        if used > self.limits["cpu"] or waited > self.limits["wall"]:
            signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)  # not again before it is dealt with
            raise TimeUp

    def _stop(self) -> NoReturn:
        """Give up a program that has passed a time limit."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._in_this_test()[1] > self.limits["cpu"]:
            self._give_up(f"not finished after {self.limits['cpu']:g} s of CPU time")
        self.undecided = not self._idles()
        self._give_up(f"not finished after {self.limits['wall']:g} s")

    def _idles(self) -> bool:
        """Whether the program owes an answer, does not begin to give it, and uses less than a tenth
        of the CPU time that this process gets at the same time: a yardstick at any load."""
        own, its = time.process_time(), self._cpu_seconds()
        while time.process_time() - own < _MOMENT:
            pass
        used = self._cpu_seconds() - its
        owes = self._awaited is not None and not select.select([self._awaited], [], [], 0)[0]
        return owes and used < _MOMENT / 10

    def _in_this_test(self) -> tuple[float, float]:
        """Seconds since it began, and CPU seconds that the program used."""
        wall, cpu = self._began
        return time.monotonic() - wall, self._cpu_seconds() - cpu

    def _cpu_seconds(self) -> float:
        """Of all threads of the program so far; 0 once it has ended."""
        if not self.pid:
            return 0.0
        return time.clock_gettime((~self.pid << 3) | 2)  # clock_getcpuclockid(3), Linux

    def receive(self) -> Reply:
        """The next reply.

        Raises:
            CandidateGone: there is none.
        """
        self._awaited = self.replies
        try:
            reply = receive(self.replies, self.limits["output"])
        except BrokenChannel as error:
            self._give_up(str(error))
        self._awaited = None
        if not isinstance(reply, dict):
            self._give_up("no reply but other data")
        return reply

    def ask(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Ask for one reply, {"value": ...} or {"error": text}; arguments are encoded.

        Raises:
            CandidateGone: it can answer no more.
        """
        if self.gone:
            raise CandidateGone(self.gone)
        with suppress(BrokenChannel):  # receive says why
            send(self.requests, {"name": name, "args": args, "kwargs": kwargs})

    def read_output(self) -> str:
        """All that the program prints until nothing of it is left.

        Raises:
            CandidateGone: it printed more than its limit.
        """
        self._awaited = self.output
        parts, left = [], self.limits["output"] + 1
        while left and (part := os.read(self.output, left)):
            parts.append(part)
            left -= len(part)
        if not left:
            self._give_up(f"printed more than {self.limits['output']} bytes")
        return b"".join(parts).decode(errors="replace")

    def end(self) -> int:
        """Kill it, and with it all that it started; its wait status."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitpid(self.pid, 0)[1]
            self.pid = 0
        return self.status

    def _give_up(self, reason: str) -> NoReturn:
        status = self.end()
        if reason == "ended":
            reason = "the program ended itself"
            if os.WIFSIGNALED(status):
                name = signal.Signals(os.WTERMSIG(status)).name
                reason = f"the program crashed or passed its CPU or memory limit ({name})"
        self.gone = reason
        raise CandidateGone(reason)


def _file_with(text: str) -> int:
    file = os.memfd_create("stdin")
    with os.fdopen(os.dup(file), "wb") as writer:
        writer.write(text.encode())
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _hold_only(*files: int) -> None:
    """Make these files 0, 1, 2, ... and close all others."""
    for number, file in enumerate([fcntl.fcntl(file, fcntl.F_DUPFD, 100) for file in files]):
        os.dup2(file, number)
    os.closerange(len(files), 1 << 20)
