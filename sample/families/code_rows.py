"""Rows of code benchmarks: a question, and tests that the grader "code" can run.

The metadata of a code problem:

entry    the function to write, with its class if it is a method ("Solution.twoSum"); "" = a program
         that reads standard input
prompt   code that the program may rely on (imports, a signature to complete); often ""
setup    code that the tests rely on; often ""
public   tests that the model may be shown (also stand in its question)
hidden   tests that decide the grade

A test is {"assert": statement}, {"args": [...], "expected": value}, or {"input": text,
"output": text}; those of one problem are of one kind.

A plain row has the columns question, tests (a list of assert statements, or of objects with args
and expected, or input and output; also as JSON text), and if need be entry, prompt, setup and
public_tests.
"""

import ast
import doctest
import json
from collections.abc import Callable, Mapping
from typing import Any

from sample.families import livecodebench
from sample.families.options import RowOptions

Test = dict[str, Any]
_KINDS = ({"assert"}, {"args", "expected"}, {"input", "output"})


def read(row: Mapping[str, Any], options: RowOptions) -> tuple[str, dict[str, Any]]:
    """The question, and the metadata described above.

    Raises:
        ValueError: a column is missing or empty, or a test is not one.
    """
    question, metadata = _LAYOUTS[options.layout](_Columns(row, options.columns))
    if not metadata["hidden"]:
        raise ValueError("no tests")
    return question, metadata


class _Columns:
    """A row by the names that the layout knows its columns by."""

    def __init__(self, row: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._row, self._names = row, names

    def __getitem__(self, name: str) -> str:
        from sample.families.rows import cell

        return cell(self._row, name, self._names)

    def get(self, name: str) -> Any:
        return self._row.get(self._names.get(name, name))


def _metadata(hidden: list[Test], public: list[Test], **code: str) -> dict[str, Any]:
    texts = {name: code.get(name, "") for name in ("entry", "prompt", "setup")}
    return {**texts, "public": public, "hidden": hidden}


def _plain(row: _Columns) -> tuple[str, dict[str, Any]]:
    code = {name: str(row.get(name) or "") for name in ("entry", "prompt", "setup")}
    hidden, public = _tests(row.get("tests")), _tests(row.get("public_tests"))
    return row["question"], _metadata(hidden, public, **code)


def _tests(value: Any) -> list[Test]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"tests are not a JSON list: {value!r:.60}") from None
    tests = [{"assert": test} if isinstance(test, str) else test for test in value or ()]
    for test in tests:
        if not isinstance(test, dict) or set(test) not in _KINDS or set(test) != set(tests[0]):
            raise ValueError(
                "a test is a statement, or has args and expected, or input and output, all of one "
                f"kind: {test!r:.60}"
            )
    return tests


def _humaneval(row: _Columns) -> tuple[str, dict[str, Any]]:
    """arXiv 2107.03374: ``check(candidate)`` is the hidden test, the docstring's examples the
    public ones."""
    prompt, entry = row["prompt"], row["entry_point"]
    hidden = [{"assert": f"check({entry})"}]
    code = {"entry": entry, "prompt": prompt, "setup": row["test"]}
    return prompt, _metadata(hidden, _examples(prompt, entry), **code)


def _examples(prompt: str, entry: str) -> list[Test]:
    try:
        functions = [n for n in ast.parse(prompt).body if isinstance(n, ast.FunctionDef)]
        texts = [ast.get_docstring(n) or "" for n in functions if n.name == entry]
        examples = doctest.DocTestParser().get_examples("\n".join(texts))
    except (SyntaxError, ValueError):
        return []
    tests = [f"assert ({e.source.strip()}) == ({e.want.strip()})" for e in examples if e.want]
    return [{"assert": test} for test in tests if _is_code(test)]


def _is_code(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _mbpp(row: _Columns) -> tuple[str, dict[str, Any]]:
    """arXiv 2108.07732. The first test stands in the question, which would not name the function
    otherwise."""
    tests = [{"assert": test} for test in row.get("test_list") or ()]
    if not tests:
        raise ValueError("the column 'test_list' is missing or empty")
    text = row["prompt"] if row.get("prompt") else row["text"]
    imports, entry = row.get("test_imports") or (), _called(tests[0]["assert"])
    setup = "\n".join([*imports, str(row.get("test_setup_code") or "")]).strip()
    question = f"{text}\n\nYour program must pass this test:\n\n{tests[0]['assert']}"
    return question, _metadata(tests, tests[:1], setup=setup, entry=entry)


def _called(statement: str) -> str:
    """The innermost function called by name in the left side of an assertion."""
    builtin = dir(__builtins__) if not isinstance(__builtins__, dict) else list(__builtins__)
    calls = [n for n in ast.walk(ast.parse(statement)) if isinstance(n, ast.Call)]
    names = [call.func.id for call in calls if isinstance(call.func, ast.Name)]
    return next((name for name in names if name not in builtin), "")


def _livecodebench(row: _Columns) -> tuple[str, dict[str, Any]]:
    """arXiv 2403.07974."""
    starter = str(row.get("starter_code") or "").strip()
    question = row["question_content"]
    if starter:
        question += f"\n\nStart from this code:\n\n```python\n{starter}\n```"
    else:
        question += "\n\nRead from standard input and write to standard output."
    public = livecodebench.read_tests(row["public_test_cases"])
    private = livecodebench.read_tests(row["private_test_cases"])
    entry = livecodebench.entry(str(row.get("metadata") or "{}"), starter)
    return question, _metadata(public + private, public, entry=entry)


_LAYOUTS: Mapping[str, Callable[[_Columns], tuple[str, dict[str, Any]]]] = {
    "plain": _plain,
    "humaneval": _humaneval,
    "mbpp": _mbpp,
    "livecodebench": _livecodebench,
}
