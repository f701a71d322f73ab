"""The first process of the sandbox: forks a supervisor for each job and reads nothing itself."""

import ctypes
import gc
import os
import select
import signal
import sys
import traceback

from sample.sandbox.inside.messages import send
from sample.sandbox.inside.supervisor import supervise

_SET_DUMPABLE = 4
_DIGITS = 100_000


def main() -> None:
    """Serve until standard input is closed.

    After each job comes {"clean": whether it left no file}. A job that fails ends the sandbox: it
    is the toolkit's fault, and its traceback is on standard error.
    """
    replies = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    _guard()
    sys.set_int_max_str_digits(_DIGITS)
    gc.collect()
    gc.freeze()
    while _job_waits():
        pid = os.fork()
        if pid == 0:
            _supervise(replies)
        if _status(pid) != 0:
            sys.exit(1)
        send(replies, {"clean": not os.listdir("/tmp")})


def _guard() -> None:
    """No process of the sandbox can trace this one or its forks (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _job_waits() -> bool:
    poll = select.poll()
    poll.register(0, select.POLLIN)
    return bool(poll.poll()[0][1] & select.POLLIN)


def _status(pid: int) -> int:
    """The wait status of a supervisor; the whole sandbox ends if whoever asked is gone before."""
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(0, 0)  # told of a hang-up only: what can be read is the supervisor's
    if ended not in dict(poll.poll()):
        sys.exit(0)
    os.close(ended)
    return os.waitpid(pid, 0)[1]


def _supervise(replies: int) -> None:
    code = 1
    try:
        supervise(replies)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
