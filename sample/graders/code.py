"""Programs, judged by tests in the sandbox.

A problem of this grader has in its metadata
  entry: the function that the tests call; None for a program that reads input and prints.
  given: code that stands before the answer, e.g. the imports and helpers of the question.
  public: tests that the question tells; they make the feedback and never the grade.
  hidden: tests that make the grade: all must pass.
  limits: what differs from ``sample.sandbox.Limits``.
  solution: an answer that is right, if one is known; nothing is graded by it.
Tests are {"calls": [[arguments, value], ...]}, {"runs": [[input, printed], ...]} or
{"asserts": [statement, ...], "setup": code that the statements use}. Expected values of calls and
runs are compared here, outside the sandbox.

The canonical answer is the program's normal form (layout, comments, annotations and local names do
not count), not its behaviour on the public inputs: programs that pass the public tests all behave
alike there, so behaviour would lump right and wrong answers into one vote and call every further
candidate a repeat. Equal normal forms always have equal grades.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sample.graders.base import NO_ANSWER, Grade, GradingError
from sample.problems import Problem
from sample.programs import complete, find_code
from sample.sandbox import (
    Limits,
    Outcome,
    Run,
    SandboxError,
    run_asserts,
    run_calls,
    run_main,
)

Tests = Mapping[str, Any]
_UNKNOWN = "The public tests could not be run to their end."


@dataclass(frozen=True)
class Feedback:
    """What running the public tests shows. text: for a prompt, one line."""

    passed: int
    total: int
    text: str


@dataclass(frozen=True)
class _Checked:
    """One test. expected: as text, empty if the test states it itself."""

    test: str
    expected: str
    outcome: Outcome
    passed: bool


def grade(problem: Problem, text: str) -> Grade:
    """Right if every hidden test passes.

    Raises:
        GradingError: the sandbox failed, or a wall limit struck a program that was computing.
        UsageError: no isolation is to be had on this machine.
    """
    code = find_code(text, problem.metadata["entry"])
    if code is None:
        return NO_ANSWER
    run, checked = _test(problem, code, problem.metadata["hidden"])
    passed = all(test.passed for test in checked)
    if passed and run.undecided:
        raise GradingError(f"{run.error}, while it was computing: the machine is too busy")
    correct = passed and run.error is None
    if correct and not checked:
        raise GradingError("the problem has no hidden tests")
    return Grade(code, run.form, run.form is not None and correct)


def feedback(problem: Problem, text: str) -> Feedback:
    """Run the public tests alone: how many passed, and the first that did not.

    Where a wall limit struck a program that was computing, or the sandbox failed, it says that
    nobody can tell.

    Raises:
        UsageError: no isolation is to be had on this machine.
    """
    tests = problem.metadata["public"]
    total = len(tests.get("calls") or tests.get("runs") or tests.get("asserts") or ())
    code = find_code(text, problem.metadata["entry"])
    if code is None:
        return Feedback(0, total, "There is no program in the answer.")
    try:
        run, checked = _test(problem, code, tests)
    except GradingError:
        return Feedback(0, total, _UNKNOWN)
    passed = sum(test.passed for test in checked)
    if run.undecided and all(test.passed for test in checked):
        return Feedback(passed, total, _UNKNOWN)
    if passed == total and run.error is None:
        return Feedback(passed, total, f"All {total} public tests passed.")
    failure = next((_told(test) for test in checked if not test.passed), None)
    text = failure or f"The program failed: {run.error}."
    return Feedback(passed, total, f"{passed} of {total} public tests passed. {text}")


def _told(test: _Checked) -> str:
    wanted = f", expected {test.expected}" if test.expected else ""
    if test.outcome.error is not None:
        return f"{test.test}: {test.outcome.error}{wanted}."
    return f"{test.test}: got {_short(test.outcome.value)}{wanted}."


def _short(value: Any) -> str:
    return f"{value!r:.200}"


def _test(problem: Problem, code: str, tests: Tests) -> tuple[Run, list[_Checked]]:
    limits = Limits(**problem.metadata.get("limits", {}))
    program = complete(code, problem.metadata.get("given", ""))
    try:
        if "runs" in tests:
            return _test_runs(program, tests["runs"], limits)
        entry = problem.metadata["entry"]
        if "calls" in tests:
            return _test_calls(program, entry, tests["calls"], limits)
        statements = tests["asserts"]
        run = run_asserts(program, entry, tests.get("setup", ""), statements, limits)
        return run, [
            _Checked(" ".join(test.split()), "", outcome, outcome.error is None)
            for test, outcome in zip(statements, run.outcomes, strict=False)
        ]
    except SandboxError as error:
        raise GradingError(str(error)) from None


def _test_calls(
    program: str, entry: str, calls: Sequence[Any], limits: Limits
) -> tuple[Run, list[_Checked]]:
    run = run_calls(program, entry, [args for args, _ in calls], limits)
    checked = []
    for (args, expected), outcome in zip(calls, run.outcomes, strict=False):
        test = f"{entry}({', '.join(map(_short, args))})"
        passed = outcome.error is None and _plain(outcome.value) == _plain(expected)
        checked.append(_Checked(test, _short(expected), outcome, passed))
    return run, checked


def _plain(value: Any) -> Any:
    """As JSON would have it: tests are JSON data, so a tuple is a list."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _test_runs(program: str, runs: Sequence[Any], limits: Limits) -> tuple[Run, list[_Checked]]:
    """One sandboxed run an input, up to the first failure."""
    run, checked = Run(None, (), "no tests"), []
    for stdin, expected in runs:
        run = run_main(program, stdin, limits)
        if run.undecided:
            break
        outcome = run.outcomes[0] if run.outcomes else Outcome(error=run.error)
        passed = outcome.error is None and same_output(str(outcome.value), expected)
        checked.append(_Checked(f"input {_short(stdin)}", _short(expected), outcome, passed))
        if not passed:
            break
    return run, checked


def same_output(printed: str, expected: str) -> bool:
    """Equal line by line, spaces at the ends aside; numbers are compared by value."""
    lines, wanted = printed.strip().splitlines(), expected.strip().splitlines()
    return len(lines) == len(wanted) and all(map(_same_line, lines, wanted))


def _same_line(line: str, wanted: str) -> bool:
    if line.strip() == wanted.strip():
        return True
    parts, others = line.split(), wanted.split()
    return len(parts) == len(others) and all(map(_same_number, parts, others))


def _same_number(part: str, other: str) -> bool:
    try:
        return part == other or Decimal(part) == Decimal(other)
    except InvalidOperation:
        return False
