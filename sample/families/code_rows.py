"""Rows of code benchmarks: a question, and what ``sample.graders.code`` needs to judge answers.

A plain row has the columns question, tests (a list of assert statements, or of objects with args
and expected, or input and output; also as JSON text), and if need be entry (the function to write;
without it the program reads input and prints), given (code above the answer), setup (code that
assert statements use), public_tests and solution (a right program, which the control ``correct``
shows). Rows of every layout may have limits: an object of what differs from
``sample.sandbox.Limits``, or its JSON text.
"""

import ast
import builtins
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sample.families import livecodebench
from sample.families.columns import Columns
from sample.families.options import RowOptions
from sample.sandbox import Limits

T = TypeVar("T")
Tests = dict[str, Any]
_KINDS: Mapping[str, Mapping[str, type]] = {
    "calls": {"args": list, "expected": object},
    "runs": {"input": str, "output": str},
}
_LIMITS = {limit.name: type(limit.default) for limit in fields(Limits)}
_LARGEST = 2**31
"""Of memory in MiB: what a system's own limits hold; of the others far more than anybody waits."""
_TYPING = "from typing import *\n"


def read(row: Mapping[str, Any], options: RowOptions) -> tuple[str, dict[str, Any]]:
    """The question, and the metadata that ``sample.graders.code`` describes.

    Raises:
        ValueError: a column is missing or empty, or a test is not one.
    """
    columns = Columns(row, options.columns)
    question, metadata = _LAYOUTS[options.layout](columns)
    if not metadata["hidden"]:
        raise ValueError("no tests")
    calling = [tests for tests in (metadata["public"], metadata["hidden"]) if "runs" not in tests]
    if metadata["entry"] is None and any(calling):
        plain = options.layout == "plain"
        named = f"column {columns.column('entry')!r}" if plain else "func_name in metadata"
        raise ValueError(f"the tests call a function, and no {named} names it")
    limits = _limits(columns)
    return question, {**metadata, "limits": limits} if limits else metadata


def _solution(code: Any) -> dict[str, str]:
    """The metadata that a right program makes: the answer that consists of it."""
    text = str(code or "").strip("\n").rstrip()
    return {"solution": f"```python\n{text}\n```"} if text else {}


def _limits(row: Columns) -> dict[str, float]:
    value = row.get("limits")
    try:
        limits = json.loads(value or "{}") if isinstance(value, str) else value or {}
    except ValueError:
        limits = value
    if not isinstance(limits, Mapping) or not all(map(_is_limit, limits, limits.values())):
        raise ValueError(
            f"column {row.column('limits')!r}: expected numbers above 0 for {', '.join(_LIMITS)} "
            f"(whole ones but for cpu and wall; given: {value!r:.60})"
        )
    return {name: limit for name, limit in limits.items() if limit is not None}


def _is_limit(name: str, limit: Any) -> bool:
    if limit is None:  # what Parquet has for a key that only other rows set
        return True
    kinds = (int, _LIMITS.get(name, int))
    known = name in _LIMITS and isinstance(limit, kinds) and not isinstance(limit, bool)
    return known and 0 < limit < _LARGEST


def _plain(row: Columns) -> tuple[str, dict[str, Any]]:
    given, setup = (str(row.get(name) or "") for name in ("given", "setup"))
    public, hidden = (_listed(row, name, setup) for name in ("public_tests", "tests"))
    entry = str(row.get("entry") or "") or None
    solution, tests = _solution(row.get("solution")), {"public": public, "hidden": hidden}
    return row["question"], {"entry": entry, "given": given, **tests, **solution}


def _listed(row: Columns, name: str, setup: str) -> Tests:
    return _of_column(row, name, lambda value: _tests(_list(value), setup), row.get(name))


def _list(value: Any) -> Sequence[Any]:
    try:
        listed = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        listed = value
    if not isinstance(listed, list | None):
        raise ValueError(f"expected a list of tests (given: {value!r:.60})")
    return listed or ()


def _of_column(row: Columns, name: str, read: Callable[[Any], T], value: Any) -> T:
    """What is read from the value of a column; its errors name the column."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"column {row.column(name)!r}: {error}") from None


def _tests(listed: Sequence[Any], setup: str = "") -> Tests:
    """A list of tests of one kind, as the grader has them; nothing if it is empty.

    Raises:
        ValueError: there are several kinds, or one that cannot be run.
    """
    if not listed:
        return {}
    if all(isinstance(test, str) for test in listed):
        bad = next((code for code in (setup, *listed) if not _is_code(code)), None)
        if bad is not None:
            raise ValueError(f"this is no Python: {bad!r:.60}")
        return {"asserts": list(listed), "setup": setup}
    kind = next((kind for kind in _KINDS if all(_has(test, _KINDS[kind]) for test in listed)), None)
    if kind is None:
        raise ValueError(
            "a test is a statement, or has args and expected, or input and output, all of one "
            f"kind: {listed[0]!r:.60}"
        )
    return {kind: [[_part(test, *part) for part in _KINDS[kind].items()] for test in listed]}


def _has(test: Any, parts: Mapping[str, type]) -> bool:
    return isinstance(test, Mapping) and test.keys() == parts.keys()


def _part(test: Mapping[str, Any], name: str, kind: type) -> Any:
    if not isinstance(test[name], kind):
        wanted = "text" if kind is str else "a list"
        raise ValueError(f"expected {wanted} under {name!r} of a test (given: {test[name]!r:.60})")
    return test[name]


def _humaneval(row: Columns) -> tuple[str, dict[str, Any]]:
    """HumanEval (arXiv 2107.03374): a function to complete.

    Public tests are the examples of its docstring that can be compared, hidden ones its ``check``.
    """
    prompt, entry = str(row.get("prompt") or ""), row["entry_point"]
    hidden = [f"{row['test']}\n\ncheck(candidate)\n"]
    setup = _parsable(prompt)
    public, hidden = (_tests(tests, setup) for tests in (_examples(prompt, entry), hidden))
    body, tests = row.get("canonical_solution"), {"public": public, "hidden": hidden}
    solution = _solution(body and f"{prompt}{body}")
    return row["prompt"], {"entry": entry, "given": prompt, **tests, **solution}


def _parsable(prompt: str) -> str:
    """The prompt as code that runs alone: a function that lacks even a docstring gets a body."""
    try:
        ast.parse(prompt)
    except SyntaxError:
        return f"{prompt.rstrip()}\n    pass\n"
    return prompt


def _examples(prompt: str, entry: str) -> list[str]:
    import doctest

    try:
        functions = {n.name: n for n in ast.parse(prompt).body if isinstance(n, ast.FunctionDef)}
        text = ast.get_docstring(functions[entry]) or ""
        examples = doctest.DocTestParser().get_examples(text)
    except (SyntaxError, KeyError, ValueError):
        return []
    pairs = [(example.source.strip(), example.want.strip()) for example in examples]
    return [f"assert {call} == {value}" for call, value in pairs if _comparable(call, value)]


def _comparable(call: str, value: str) -> bool:
    try:
        ast.literal_eval(value)
        ast.parse(call, mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _mbpp(row: Columns) -> tuple[str, dict[str, Any]]:
    """MBPP (arXiv 2108.07732), full or sanitized: a task in words, with assert statements.

    The question tells the first one, which is public; all of them are hidden tests.
    """
    tests = list(row.get("test_list") or ())
    if not tests or not all(_is_code(test) for test in tests):
        raise ValueError("the column 'test_list' holds no list of assert statements")
    text = row["prompt"] if row.get("prompt") else row["text"]
    setup = "\n".join([*(row.get("test_imports") or ()), str(row.get("test_setup_code") or "")])
    question = f"{text}\n\nYour program must pass this test:\n\n{tests[0]}"
    public, hidden = (_tests(part, setup.strip()) for part in (tests[:1], tests))
    solution = _solution(row.get("code"))
    return question, {"entry": _called(tests[0]), "public": public, "hidden": hidden, **solution}


def _is_code(text: Any) -> bool:
    try:
        return isinstance(text, str) and bool(ast.parse(text))
    except (SyntaxError, ValueError, MemoryError):
        return False


def _called(statement: str) -> str:
    """The first function that a test calls and that Python does not have."""
    for node in ast.walk(ast.parse(statement)):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id not in dir(builtins):
            return called.id
    raise ValueError(f"the test calls no function: {statement!r:.60}")


def _livecodebench(row: Columns) -> tuple[str, dict[str, Any]]:
    """LiveCodeBench (arXiv 2403.07974): programs that read and print, or methods to complete."""
    entry = _of_column(row, "metadata", livecodebench.entry, str(row.get("metadata") or "{}"))
    starter, question = str(row.get("starter_code") or "").strip(), row["question_content"]
    if starter:
        question += f"\n\nStart from this code:\n\n```python\n{starter}\n```"
    else:
        question += "\n\nRead from standard input and write to standard output."
    public, private = (
        _of_column(row, name, livecodebench.read_tests, row[name])
        for name in ("public_test_cases", "private_test_cases")
    )
    tests = {"public": _tests(public), "hidden": _tests(public + private)}
    return question, {"entry": entry, "given": _TYPING if entry else "", **tests}


COLUMNS: Mapping[str, tuple[str, ...]] = {
    "plain": ("question", "tests", "entry", "given", "setup", "public_tests", "solution",
              "limits"),
    "humaneval": ("prompt", "entry_point", "test", "canonical_solution", "limits"),
    "mbpp": ("prompt", "text", "test_list", "test_imports", "test_setup_code", "code", "limits"),
    "livecodebench": (
        "question_content", "starter_code", "metadata", "public_test_cases", "private_test_cases",
        "limits",
    ),
}  # fmt: skip
"""Layout -> what its rows have, by the names that the option ``columns`` maps."""

_LAYOUTS: Mapping[str, Callable[[Columns], tuple[str, dict[str, Any]]]] = {
    "plain": _plain,
    "humaneval": _humaneval,
    "mbpp": _mbpp,
    "livecodebench": _livecodebench,
}
