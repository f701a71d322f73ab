import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample.errors import UsageError
from sample.sandbox import (
    Limits,
    SandboxError,
    client,
    require_sandbox,
    run_asserts,
    run_calls,
    run_main,
)
from sample.sandbox.inside.messages import BrokenChannel, receive, send
from sample.sandbox.inside.values import decode, encode

LIMITS = Limits(cpu=5, wall=20.0)

# --- refusals


def test_without_bubblewrap_programs_are_refused_in_one_line(monkeypatch, in_thread):
    monkeypatch.setenv("PATH", "/nonexistent")
    error = in_thread(require_sandbox)
    assert isinstance(error, UsageError) and "apt-get install bubblewrap" in str(error)
    assert "\n" not in str(error)


def test_where_bubblewrap_may_not_isolate_programs_are_refused(monkeypatch, tmp_path, in_thread):
    script = tmp_path / "bwrap"
    script.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    error = in_thread(require_sandbox)
    assert isinstance(error, UsageError) and "No permissions to create new namespace" in str(error)
    assert "\n" not in str(error)


# --- programs and their tests


@pytest.mark.usefixtures("sandbox")
def test_calls_keep_types_and_errors_name_the_line():
    program = "def f(*x):\n    y = x[0]\n    return 1 / y, {y: {y}}, x\n"
    run = run_calls(program, "f", [[2], [0], ["a"], [0.5, None]], LIMITS)
    values = [outcome.value for outcome in run.outcomes]
    assert values == [(0.5, {2: {2}}, (2,)), None, None, (2.0, {0.5: {0.5}}, (0.5, None))]
    errors = [outcome.error for outcome in run.outcomes]
    assert errors[0] is None and errors[1] == "ZeroDivisionError: division by zero (line 3)"
    assert errors[2].startswith("TypeError: ") and errors[2].endswith("(line 3)")


@pytest.mark.usefixtures("sandbox")
def test_a_program_that_cannot_be_run_says_why():
    cases = {
        "def f(x)\n    return x": "SyntaxError: ",
        "import nonsense\ndef f(x):\n    return x": "ModuleNotFoundError: ",
        "def g(x):\n    return x": "NameError: f is not defined",
    }
    for program, error in cases.items():
        run = run_calls(program, "f", [[1]], LIMITS)
        assert run.error.startswith(error) and not run.outcomes
    assert run.form is None


@pytest.mark.usefixtures("sandbox")
def test_a_method_of_the_class_solution_is_an_entry_point():
    program = "class Solution:\n    def f(self, x):\n        return x + 1\n"
    assert run_calls(program, "f", [[1]], LIMITS).outcomes[0].value == 2


@pytest.mark.usefixtures("sandbox")
def test_asserts_run_on_values_of_the_program():
    program = (
        "def f(x, base=10):\n    if x < 0:\n        raise ValueError('below')\n"
        "    return (x, base)\ndef g(n):\n    yield from range(n)\n"
    )
    statements = [
        "assert f(1) == (1, 10)",
        "assert f(1, base=2) == (1, 3)",
        "try:\n    f(-1)\nexcept ValueError as error:\n    assert 'below' in str(error)",
        "assert candidate(x=4) == twice(2, 5)",
        "assert [list(g(n)) for n in range(3)] == [[], [0], [0, 1]]",
        "assert f(-1)",
    ]
    setup = "def twice(a, b):\n    return 2 * a, 2 * b\n"
    run = run_asserts(program, "f", setup, statements, LIMITS)
    errors = [outcome.error for outcome in run.outcomes]
    assert errors == [None, "got (1, 2)", None, None, None, "ValueError: below (line 3)"]


@pytest.mark.usefixtures("sandbox")
def test_a_main_program_reads_and_prints():
    program = (
        "import sys, threading\ndef main():\n    n = int(input())\n"
        "    print(sum(int(input()) for _ in range(n)))\n"
        "if __name__ == '__main__':\n    threading.Thread(target=main).start()\n"
    )
    many = 50_000
    assert (
        run_main(program, f"{many}\n" + "3\n" * many, LIMITS).outcomes[0].value == f"{3 * many}\n"
    )
    assert run_main("print(1)\nexit(0)", "", LIMITS).outcomes[0].value == "1\n"
    assert run_main("print(1)\nexit(3)", "", LIMITS).outcomes[0].error.startswith("SystemExit: 3")


@pytest.mark.usefixtures("sandbox")
def test_the_same_program_gives_the_same_random_numbers_and_set_order():
    program = "import random\ndef f():\n    return [random.random(), list({'a', 'b', 'c', 'd'})]\n"
    first, second = (run_calls(program, "f", [[]], LIMITS).outcomes for _ in range(2))
    assert first == second and first[0].error is None


# --- when the grader itself fails


@pytest.mark.usefixtures("sandbox")
def test_tests_that_cannot_be_run_are_an_error_of_the_grader(in_thread):
    for bad in ("assert f(1 ==", "assert f(lambda: 1) == 1"):
        error = in_thread(lambda bad=bad: run_asserts("def f(x): return x", "f", "", [bad], LIMITS))
        assert isinstance(error, SandboxError)


@pytest.mark.usefixtures("sandbox")
def test_a_sandbox_that_dies_is_an_error_and_is_replaced(in_thread):
    def work():
        require_sandbox()
        process = client._own.sandbox._process
        os.kill(process.pid, signal.SIGSTOP)  # alive, so it is given the next job
        with pytest.raises(SandboxError):
            client._own.sandbox.run({}, {}, patience=0.3)
        return run_calls("def f():\n    return 1", "f", [[]], LIMITS).outcomes[0].value

    assert in_thread(work) == 1


@pytest.mark.usefixtures("sandbox")
def test_no_sandbox_outlives_the_process_that_started_it():
    script = (
        "from sample.sandbox import *\nfrom sample.sandbox import client\nrequire_sandbox()\n"
        "pid = client._own.sandbox._process.pid\n"
        "print(open(f'/proc/{pid}/task/{pid}/children').read(), flush=True)\n"
        "run_calls('def f():\\n    while True: pass', 'f', [[]], Limits(cpu=60, wall=60.0))\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}) as process:
        server = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 5
    while _runs(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(server)


def _runs(pid):
    """Whether the process is there and no zombie that nobody has fetched."""
    try:
        return " (zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


# --- what crosses the wall

data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple)
    | st.dictionaries(st.text() | st.integers(), inner) | st.sets(st.integers()),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(data)
def test_values_cross_unchanged(value):
    reader, writer = os.pipe()
    try:
        send(writer, encode(value))
        back = decode(receive(reader, 1 << 20))
    finally:
        os.close(reader)
        os.close(writer)
    assert back == value and type(back) is type(value)


json_data = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["tuple", "set", "dict", "bytes", "complex", "iterator", "x"]), inner),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(json_data)
def test_whatever_is_read_is_data_or_refused(data):
    try:
        value = decode(data)
    except ValueError:
        return
    kinds = (int, str, bytes, complex, tuple, list, dict, set, type(None), type(iter([])))
    assert isinstance(value, kinds)


@pytest.mark.parametrize("raw", [b"", b"\x00" * 7, b"\xff" * 8, b"\x00" * 7 + b"\x02{]"])
def test_a_broken_channel_is_refused(raw):
    reader, writer = os.pipe()
    os.write(writer, raw)
    os.close(writer)
    with pytest.raises(BrokenChannel):
        receive(reader, 1000)
    os.close(reader)
