"""Rows of public code benchmarks as problems of the ``code`` grader."""

import ast
import base64
import builtins
import doctest
import io
import json
import pickle
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from sample.problems import Problem

Row = Mapping[str, Any]
_ANSWER = "Answer with the whole program in one ```python block."


def humaneval(family: str, row: Row) -> Problem:
    """HumanEval (arXiv 2107.03374): a function to complete.

    Public tests are the examples of its docstring that can be compared, hidden ones its ``check``.
    """
    prompt, entry = row["prompt"], row["entry_point"]
    return _problem(
        family,
        f"Complete this function. {_ANSWER}\n\n```python\n{prompt.rstrip()}\n```",
        prompt + row["canonical_solution"],
        entry,
        given=prompt,
        public={"asserts": _examples(prompt, entry), "setup": prompt},
        hidden={"asserts": [f"{row['test']}\n\ncheck(candidate)\n"], "setup": prompt},
    )


def _examples(prompt: str, entry: str) -> list[str]:
    functions = {n.name: n for n in ast.parse(prompt).body if isinstance(n, ast.FunctionDef)}
    try:
        text = ast.get_docstring(functions[entry]) or ""
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
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


def mbpp(family: str, row: Row) -> Problem:
    """MBPP (arXiv 2108.07732), full or sanitized: a task in words, with assert statements.

    The question tells the first assert, which is public; all of them are hidden tests.
    """
    tests, task = list(row["test_list"]), row.get("text") or row["prompt"]
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or ())
    return _problem(
        family,
        f"{task.strip()} {_ANSWER} It must pass this test:\n\n{tests[0]}",
        row["code"],
        _called(tests[0]),
        public={"asserts": tests[:1], "setup": setup},
        hidden={"asserts": tests, "setup": setup},
    )


def _called(statement: str) -> str:
    """The first function that a test calls and that Python does not have."""
    for node in ast.walk(ast.parse(statement)):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Name) and called.id not in dir(builtins):
            return called.id
    raise ValueError(f"no function is called in {statement!r}")


def livecodebench(family: str, row: Row) -> Problem:
    """LiveCodeBench (arXiv 2403.07974): programs with input and output, or methods to complete."""
    public = json.loads(row["public_test_cases"])
    cases = public + _private_cases(row["private_test_cases"])
    entry = json.loads(row["metadata"]).get("func_name")
    starter = row["starter_code"].strip()
    ask = f"\n\nStart from this code:\n\n```python\n{starter}\n```" if starter else ""
    tests = _call_cases if entry else _run_cases
    return _problem(
        family,
        f"{row['question_content'].strip()}\n\n{_ANSWER}{ask}",
        "",
        entry,
        given=_TYPING if entry else "",
        public=tests(public),
        hidden=tests(cases),
    )


_TYPING = "from typing import *\n"


def _run_cases(cases: list[Row]) -> dict[str, Any]:
    return {"runs": [[case["input"], case["output"]] for case in cases]}


def _call_cases(cases: list[Row]) -> dict[str, Any]:
    """Arguments are JSON values, one a line."""
    return {
        "calls": [
            [[json.loads(line) for line in case["input"].splitlines()], json.loads(case["output"])]
            for case in cases
        ]
    }


def _private_cases(text: str) -> list[Row]:
    """JSON, as it is or packed by the publisher (a pickled text; anything else is refused)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        packed = zlib.decompress(base64.b64decode(text))
        return json.loads(_TextOnly(io.BytesIO(packed)).load())


class _TextOnly(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} in what should be a text")


def _problem(
    family: str, question: str, answer: str, entry: str | None, **metadata: Any
) -> Problem:
    key = "code " + " ".join(question.split())
    return Problem(family, question, answer, "code", key, {"entry": entry, **metadata})


ROWS: Mapping[str, Callable[[str, Row], Problem]] = {
    "humaneval": humaneval,
    "mbpp": mbpp,
    "livecodebench": livecodebench,
}
"""By the name of the format."""
