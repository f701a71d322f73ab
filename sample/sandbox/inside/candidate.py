"""The process that runs the program: limited, cut off, and never told what is expected of it."""

import builtins
import contextlib
import ctypes
import math
import os
import random
import resource
import sys
import threading
import types
from typing import Any, NoReturn

from sample.sandbox.inside.messages import BrokenChannel, receive, send
from sample.sandbox.inside.normal_form import as_function, normal_form
from sample.sandbox.inside.values import decode, encode

_FILE = "<program>"
_ENDLESS = 1 << 40
_MIB = 1 << 20


def become_candidate(job: dict[str, Any], requests: int, replies: int) -> NoReturn:
    """Turn this freshly forked process into the candidate of a job; never returns.

    job: "source", "entry" (None: a program with input and output), "limits", "tests" (how many).
    The first reply holds the program's normal form and why it cannot be run ("error"), and comes
    before any of it has run; the second whether it ran to its end; then comes one reply a request.
    """
    try:
        _serve(job, requests, replies)
    except BrokenChannel:
        pass
    finally:
        os._exit(0)


def _serve(job: dict[str, Any], requests: int, replies: int) -> None:
    try:
        _limit(job["limits"], job["tests"])
        _drop_privileges()
        random.seed(0)
    except Exception as error:
        return send(replies, {"failure": _describe(error)})
    entry = job["entry"]
    code, first = _compile(job["source"], entry)
    send(replies, first)
    if code is None:
        return None
    if entry is None:
        return send(replies, {"error": _run_main(code)})
    error, module = _load(code, "solution")
    send(replies, {"error": error and _describe(error)})
    while error is None:
        request = receive(requests, _ENDLESS)
        send(replies, _call(module, request["name"], request["args"], request["kwargs"]))


def _compile(source: str, entry: str | None) -> tuple[types.CodeType | None, dict[str, Any]]:
    try:
        source = as_function(source, entry)
        form = normal_form(source, entry)
        code = compile(source, _FILE, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return None, {"form": None, "error": _describe(error)}
    if form is None:
        return None, {"form": None, "error": f"NameError: {entry} is not defined"}
    return code, {"form": form, "error": None}


def _limit(limits: dict[str, Any], tests: int) -> None:
    # The supervisor limits the CPU time of each test; this is for processes that it cannot see.
    cpu = math.ceil(limits["cpu"] * (tests + 1))
    memory, written = limits["memory"] * _MIB, limits["output"]
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _drop_privileges() -> None:
    """Give up the rights that came with the new user namespace (capset(2), version 3)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


def _load(code: types.CodeType, name: str) -> tuple[BaseException | None, types.ModuleType]:
    module = types.ModuleType(name)
    sys.modules[name] = module
    builtins.__dict__.update(exit=sys.exit, quit=sys.exit)
    try:
        exec(code, module.__dict__)
    except BaseException as error:
        return error, module
    return None, module


def _run_main(code: types.CodeType) -> str | None:
    """Run a program to its end, threads that it started included."""
    error, _ = _load(code, "__main__")
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return None
    return _describe(error)


def _call(module: types.ModuleType, name: str, args: Any, kwargs: Any) -> dict[str, Any]:
    try:
        named = {key: decode(value) for key, value in kwargs.items()}
        return {"value": encode(_find(module, name)(*decode(args), **named))}
    except BaseException as error:
        return {"error": _describe(error)}


def _find(module: types.ModuleType, name: str) -> Any:
    """A function of the program, or the method of its class ``Solution``."""
    solution = getattr(module, "Solution", None)
    if not hasattr(module, name) and hasattr(solution, name):
        return getattr(solution(), name)  # type: ignore[misc]
    return getattr(module, name)


def _describe(error: BaseException) -> str:
    """Type, message and line of the program, on one line."""
    text = " ".join(str(error).split())[:300]
    line = error.lineno if isinstance(error, SyntaxError) else _line(error)
    where = "" if line is None or f"line {line}" in text else f" (line {line})"
    return f"{type(error).__name__}{': ' if text else ''}{text}{where}"


def _line(error: BaseException) -> int | None:
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
