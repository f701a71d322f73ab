"""One job: forks the candidate, then reads the tests and puts them to it.

The candidate has its own process-id and user namespace and holds no file of this process, so it
can neither signal, read nor answer for it. Only data crosses, and it is compared here (asserts) or
outside the sandbox (calls, input and output): what the program patches, overrides or prints has no
say in whether it passes.
"""

import ctypes
import json
import random
from collections.abc import Iterator
from typing import Any

from sample.sandbox.inside.asserts import run_asserts
from sample.sandbox.inside.channel import CandidateGone, Channel
from sample.sandbox.inside.messages import receive, send

_NEW_USER, _NEW_PID, _NEW_IPC = 0x10000000, 0x20000000, 0x08000000
_ANY_SIZE = 1 << 40


def supervise(replies: int) -> None:
    """Do the job that waits on standard input and send its result to ``replies``.

    First comes the program ("source", "entry", "limits", "tests", how many there are, and, without
    an entry point, "stdin"), then its tests: "calls" (lists of encoded arguments), or "asserts"
    (statements) after "setup". The value of a call is JSON text of an encoded value, that of a run
    is what it printed.

    The result: "form" (the program's normal form), "outcomes" (one a test, each with "value" or
    "error"; fewer if the program could not go on), "error" (why it could not) and "undecided"
    (whether that is for lack of CPU time).
    """
    job = receive(0, _ANY_SIZE)
    random.seed(0)
    _separate_children()
    channel = Channel(job)
    tests = receive(0, _ANY_SIZE)
    send(replies, _run(channel, job["entry"], tests))
    channel.end()


def _separate_children() -> None:
    """Children get process ids, users and shared memory of their own (unshare(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER | _NEW_PID | _NEW_IPC):
        raise OSError(ctypes.get_errno(), "no new user and process-id namespace (unshare)")


def _run(channel: Channel, entry: str | None, tests: dict[str, Any]) -> dict[str, Any]:
    outcomes: list[dict[str, Any]] = []
    result: dict[str, Any] = {"form": None, "error": None, "outcomes": outcomes}
    try:
        with channel.timed():
            first = channel.receive()  # sent before any line of the program has run
            if "failure" in first:
                raise RuntimeError(first["failure"])
            result["form"], result["error"] = first["form"], first["error"]
            if entry is not None and result["error"] is None:
                result["error"] = channel.receive().get("error")
        if result["error"] is None:
            outcomes.extend(_test(channel, entry, tests))
    except CandidateGone as gone:
        result["error"] = str(gone)
    return {**result, "undecided": channel.undecided}


def _test(channel: Channel, entry: str | None, tests: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if entry is None:
        with channel.timed():
            printed, last = channel.read_output(), channel.receive()
        yield last if last.get("error") else {"value": printed}
        return
    if "asserts" in tests:
        yield from run_asserts(channel, entry, tests)
        return
    for args in tests["calls"]:
        with channel.timed():
            channel.ask(entry, args, {})
            reply = channel.receive()
        yield reply if "error" in reply else {"value": json.dumps(reply.get("value"))}
