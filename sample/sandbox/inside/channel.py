"""The supervisor's end of the candidate: starts it, asks it, times it, ends it."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from sample.sandbox.inside.candidate import become_candidate
from sample.sandbox.inside.messages import BrokenChannel, receive, send

Reply = dict[str, Any]


class TimeUp(BaseException):
    """A time limit has passed."""


class CandidateGone(BaseException):
    """The program can answer no more; the text says why.

    Not an ``Exception``: tests that catch exceptions of the program must not catch it.
    """


def time_up(signum: int, frame: Any) -> NoReturn:
    """The handler of the alarm signal."""
    raise TimeUp


class Channel:
    """A candidate that is being asked. gone: why it can answer no more, None while it can."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.limits = job["limits"]
        self.gone: str | None = None
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

    @contextmanager
    def timed(self) -> Iterator[None]:
        """The time limit of one test; it strikes again and again, should the test swallow it.

        Raises:
            CandidateGone: it has passed.
        """
        signal.setitimer(signal.ITIMER_REAL, self.limits["wall"], 1.0)
        try:
            yield
        except TimeUp:
            self._give_up(f"not finished after {self.limits['wall']:g} s")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def receive(self) -> Reply:
        """The next reply.

        Raises:
            CandidateGone: there is none.
        """
        try:
            reply = receive(self.replies, self.limits["output"])
        except BrokenChannel as error:
            self._give_up(str(error))
        if not isinstance(reply, dict):
            self._give_up("no reply but other data")
        return reply

    def ask(self, name: str, *calls: tuple[list[Any], dict[str, Any]]) -> None:
        """Ask for one reply a call, {"value": ...} or {"error": text}; arguments are encoded.

        Raises:
            CandidateGone: it can answer no more.
        """
        if self.gone:
            raise CandidateGone(self.gone)
        with suppress(BrokenChannel):  # receive says why
            send(self.requests, {"name": name, "calls": calls})

    def read_output(self) -> str:
        """All that the program prints until nothing of it is left.

        Raises:
            CandidateGone: it printed more than its limit.
        """
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
