"""Tests that are statements, e.g. ``assert f(1) == 2``: run here, on values from the candidate."""

import ast
import builtins
from collections.abc import Callable, Iterator
from typing import Any

from sample.sandbox.inside.channel import Channel
from sample.sandbox.inside.values import decode, encode


class ProgramError(Exception):
    """The program raised an exception that is not one of Python's own."""


class UnusableTest(BaseException):
    """A test gives the program something that is no plain data: no fault of the program."""


def run_asserts(channel: Channel, entry: str, tests: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The outcome of each statement: {"value": None} if it passed, else {"error": text}.

    "setup" is run first; it is code of the question, e.g. helper functions that the tests use. The
    entry point, ``candidate`` and every name that nothing else defines call the program.
    """
    names: dict[str, Any] = {"__name__": "tests"}
    exec(tests["setup"], names)
    called = {entry: entry, "candidate": entry}
    for statement in tests["asserts"]:
        called.update({name: name for name in _undefined(statement) - names.keys() - called.keys()})
    names.update({name: _remote(channel, target) for name, target in called.items()})
    for statement in tests["asserts"]:
        with channel.timed():
            error = _run(statement, names)
        yield {"value": None} if error is None else {"error": error}


def _undefined(statement: str) -> set[str]:
    tree = ast.parse(statement)
    nodes = list(ast.walk(tree))
    read = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    bound |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    bound |= {(n.asname or n.name).split(".")[0] for n in nodes if isinstance(n, ast.alias)}
    bound |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
    return read - bound - set(dir(builtins))


def _remote(channel: Channel, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            named = {key: encode(value) for key, value in kwargs.items()}
            given = [encode(value) for value in args]
        except TypeError as error:
            raise UnusableTest(f"a test calls {name} with {error}") from None
        channel.ask(name, given, named)
        reply = channel.receive()
        if "error" in reply:
            raise _exception(str(reply["error"]))
        return decode(reply.get("value"))

    return call


def _exception(text: str) -> Exception:
    """The exception of the program, if it is one of Python's own."""
    kind = getattr(builtins, text.partition(":")[0].split(" (")[0], None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        return kind(text)
    return ProgramError(text)


def _run(statement: str, names: dict[str, Any]) -> str | None:
    try:
        exec(compile(statement, "<test>", "exec"), names)
    except AssertionError as error:
        return _failed_assert(statement, names) or f"an assertion failed {error}".strip()
    except Exception as error:
        return f"{error}" if isinstance(error, ProgramError) else _raised(error)
    return None


def _raised(error: Exception) -> str:
    name = type(error).__name__
    text = " ".join(str(error).split())[:300]
    return text if text.startswith(name) else f"{name}: {text}"


def _failed_assert(statement: str, names: dict[str, Any]) -> str | None:
    """What the left side of a failed ``assert a == b`` was."""
    node = ast.parse(statement).body[0]
    if not (isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare)):
        return None
    try:
        got = eval(ast.unparse(node.test.left), names)
    except Exception as error:
        return _raised(error)
    return f"got {got!r:.200}"
