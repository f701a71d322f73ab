"""Model-written Python, run where it can touch nothing.

``run_calls``, ``run_asserts`` and ``run_main`` put a program to its tests in a bubblewrap sandbox;
``require_sandbox`` refuses in one line where there can be none. What the wall consists of is in
``bubblewrap`` and ``inside``; the expected outputs of calls and runs never enter it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sample.sandbox.client import Limits, SandboxError, run_job
from sample.sandbox.inside.values import decode, encode

__all__ = [
    "Limits", "Outcome", "Run", "SandboxError", "require_sandbox", "run_asserts", "run_calls",
    "run_main",
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Of one test: the value of a call, the printed text of a run, or the error."""

    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Run:
    """form: the program's normal form, None if it is malformed; equal for equal programs.
    outcomes: one a test, in order; fewer if the program could not go on, and error says why.
    undecided: it was stopped at its wall limit while it was computing."""

    form: str | None
    outcomes: tuple[Outcome, ...]
    error: str | None
    undecided: bool = False


def run_calls(source: str, entry: str, calls: Sequence[Sequence[Any]], limits: Limits) -> Run:
    """Call the function ``entry`` of the program with each list of arguments.

    Raises:
        UsageError: no isolation is to be had; says what to install or allow.
        SandboxError: the sandbox failed, so nothing is known of the program.
    """
    job = {"source": source, "entry": entry, "limits": asdict(limits)}
    arguments = [[encode(value) for value in call] for call in calls]
    return _run(job, {"calls": arguments}, len(calls), _decoded)


def run_asserts(
    source: str, entry: str, setup: str, statements: Sequence[str], limits: Limits
) -> Run:
    """Run each statement on the program, whose function ``entry`` is also called ``candidate``.

    setup: code that the statements use. A statement that passes has the value None and no error.

    Raises: as ``run_calls``.
    """
    job = {"source": source, "entry": entry, "limits": asdict(limits)}
    tests = {"setup": setup, "asserts": list(statements)}
    return _run(job, tests, len(statements), lambda value: Outcome())


def run_main(source: str, stdin: str, limits: Limits) -> Run:
    """Run the program with that input; its one outcome is what it prints.

    Raises: as ``run_calls``.
    """
    job = {"source": source, "entry": None, "stdin": stdin, "limits": asdict(limits)}
    return _run(job, {}, 1, lambda value: Outcome(value))


def require_sandbox() -> None:
    """Refuse unless programs can be isolated here.

    Raises: as ``run_calls``.
    """
    run_calls("def f():\n    pass\n", "f", [], Limits())


def _run(
    job: dict[str, Any], tests: dict[str, Any], count: int, read: Callable[[Any], Outcome]
) -> Run:
    result = run_job(job, tests, count)
    outcomes = tuple(
        Outcome(error=str(found["error"])) if "error" in found else read(found["value"])
        for found in result["outcomes"]
    )
    return Run(result["form"], outcomes, result["error"], result["undecided"])


def _decoded(text: str) -> Outcome:
    try:
        return Outcome(decode(json.loads(text)))
    except (ValueError, RecursionError):
        return Outcome(error="the value is too large or too deep")
