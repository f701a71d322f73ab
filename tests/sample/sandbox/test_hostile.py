"""Programs that want out, want to pass, or want the machine: contained, and graded wrong."""

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sample.problems import Problem
from sample.sandbox import Limits, client, run_asserts, run_calls, run_main

pytestmark = pytest.mark.usefixtures("sandbox")
LIMITS = Limits(cpu=8, wall=20.0, memory=256, processes=8, output=100_000)
HOG = replace(LIMITS, wall=1.5)


def call(body, *args, limits=LIMITS):
    """The outcome of ``f(*args)`` where the lines of ``body`` are its body."""
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    run = run_calls(f"def f(*args):\n{lines}\n", "f", [list(args)], limits)
    return run.outcomes[0].value if run.outcomes and not run.error else run.error or ""


def descendants():
    """Processes of this thread's sandbox, without its monitor and its server."""
    monitor = client._own.sandbox._process.pid
    server = int(Path(f"/proc/{monitor}/task/{monitor}/children").read_text())
    return Path(f"/proc/{server}/task/{server}/children").read_text().split()


# --- taking the machine


HOGS = {
    "forks without end": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "endless loop": "while True: pass",
    "sleeps": "import time\ntime.sleep(3600)",
    "ignores SIGTERM": (
        "import signal, time\nfor s in (15, 2, 1, 14):\n    signal.signal(s, signal.SIG_IGN)\n"
        "while True: time.sleep(1)"
    ),
    "leaves a daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        while True: time.sleep(1)\nos._exit(0)"
    ),
    "returns far too much": "return 'x' * 10_000_000",
    "closes its files and goes on": "import os, time\nos.closerange(0, 64)\ntime.sleep(3600)",
}


@pytest.mark.smoke
@pytest.mark.parametrize("body", HOGS.values(), ids=HOGS)
def test_a_hog_gets_no_result_ends_within_its_limit_and_leaves_no_process(body):
    start = time.monotonic()
    run = run_calls(f"def f():\n    {body.replace(chr(10), chr(10) + '    ')}\n", "f", [[]], HOG)
    assert time.monotonic() - start < HOG.wall + 10
    assert run.error is not None and not run.outcomes
    assert not descendants()
    assert call("return args[0] + 1", 1) == 2


@pytest.mark.smoke
def test_memory_is_limited():
    body = "try:\n    return len(bytearray(400 << 20))\nexcept MemoryError:\n    return 'refused'"
    assert call(body) == "refused"
    assert call(body, limits=Limits(memory=600, wall=60.0)) == 400 << 20


def test_processes_are_limited():
    body = (
        "import os, time\nmade = 0\nfor _ in range(50):\n    try:\n        pid = os.fork()\n"
        "    except OSError:\n        break\n    if pid == 0:\n        time.sleep(60)\n"
        "    made += 1\nreturn made"
    )
    assert 0 < call(body) < LIMITS.processes


@pytest.mark.smoke
def test_cpu_time_is_limited_before_wall_time():
    run = run_calls("def f():\n    while True: pass\n", "f", [[]], Limits(cpu=1, wall=60.0))
    assert run.error == "not finished after 1 s of CPU time"


def test_a_flood_is_cut():
    run = run_main("while True: print('x' * 1000)", "", LIMITS)
    assert run.error == "printed more than 100000 bytes"
    assert call("print('x' * 10_000_000)\nreturn 1") == 1  # nobody reads what a function prints


def test_files_are_limited_and_gone_for_the_next_program():
    body = "open('/tmp/a', 'w').write('x' * 90_000)\nimport os\nreturn os.listdir('/tmp')"
    assert call(body) == ["a"]
    assert call("import os\nreturn os.listdir('/tmp')") == []
    body = "try:\n    open('/tmp/a', 'w').write('x' * 110_000)\nexcept OSError:\n    return 'cut'"
    assert call(body) in ("cut", "the program crashed or passed its CPU or memory limit (SIGXFSZ)")


# --- getting out


def test_nothing_outside_tmp_can_be_written():
    body = """
import os
written = []
for folder in ("/", "/usr", "/usr/lib", "/python", "/python/lib", "/forage/sample", "/dev", "/etc",
               "/home", "/root", "/var/tmp", "/proc", "/sys", "/dev/shm", "/run"):
    try:
        open(folder + "/x", "w").close()
        written.append(folder)
    except OSError:
        pass
for path in ("/forage/sample/sandbox/inside/server.py", "/usr/bin/env"):
    try:
        open(path, "a").close()
        written.append(path)
    except OSError:
        pass
return written
"""
    assert call(body) == []


def test_only_python_and_system_libraries_can_be_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("FORAGE_SECRET", "hush")
    (tmp_path / "file").write_text("x")
    seen = call("import os\nreturn [os.listdir('/'), dict(os.environ), os.path.exists(args[0])]",
                str(tmp_path / "file"))  # fmt: skip
    folders, environment, exists = seen
    assert set(folders) <= {"usr", "lib", "lib64", "bin", "python", "forage", "dev", "tmp"}
    assert not exists
    assert set(environment) <= {
        "PATH", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHASHSEED", "PWD", "OLDPWD", "SHLVL",
    }  # fmt: skip
    assert str(Path.home()) not in str(environment)
    assert call("import os\nreturn os.listdir(args[0])", "/forage/sample/sandbox/inside")


def test_there_is_no_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        body = (
            "import socket\ntry:\n    socket.create_connection(('127.0.0.1', args[0]), 1)\n"
            "    return 'connected'\nexcept OSError:\n    return 'refused'"
        )
        assert call(body, server.getsockname()[1]) == "refused"
        with pytest.raises(TimeoutError):
            server.accept()


def test_it_is_no_root_and_has_no_rights():
    body = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.mkdir("/tmp/m")
done = [libc.mount(b"none", b"/tmp/m", b"tmpfs", 0, None), libc.sethostname(b"x", 1),
        libc.chroot(b"/tmp")]
return [os.getuid() != 0, done]
"""
    assert call(body) == [True, [-1, -1, -1]]


KILLS = [
    "os.kill(-1, 9)",
    "os.kill(0, 9)",
    "os.killpg(os.getpgrp(), 9)",
    "[os.kill(p, 9) for p in range(2, 3000)]",
    "os.kill(os.getppid(), 9)",
]


@pytest.mark.parametrize("kill", KILLS)
def test_it_cannot_kill_what_grades_it(kill):
    run_calls("lambda: 1", "f", [[]], LIMITS)
    monitor = client._own.sandbox._process.pid
    before = Path(f"/proc/{monitor}/task/{monitor}/children").read_text()
    answer = call(f"import os\ntry:\n    {kill}\nexcept OSError:\n    pass\nreturn 'survived'")
    assert answer == "survived" or "ended" in answer or "crashed" in answer
    assert client._own.sandbox._process.pid == monitor
    assert Path(f"/proc/{monitor}/task/{monitor}/children").read_text() == before
    assert call("return 5") == 5


def test_it_sees_no_other_process():
    body = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16
found = [p for p in range(1, 5000) if p != os.getpid() and libc.kill(p, 0) == 0]
found += [p for p in range(2, 200) if libc.ptrace(PTRACE_ATTACH, p, 0, 0) == 0]
return [os.getpid(), os.getppid(), found, os.path.exists("/proc/1")]
"""
    assert call(body) == [1, 0, [], False]


# --- passing without being right


SPY = """
import gc, os, sys
def everything():
    texts = [o for o in gc.get_objects() if isinstance(o, (str, bytes))]
    for o in gc.get_objects():
        if isinstance(o, dict):
            texts += [v for pair in o.items() for v in pair if isinstance(v, (str, bytes))]
        if isinstance(o, (list, tuple)):
            texts += [v for v in o if isinstance(v, (str, bytes))]
    frame = sys._getframe()
    while frame:
        texts += [repr(v) for v in frame.f_locals.values() if not isinstance(v, list)]
        frame = frame.f_back
    for number in [0, *range(5, 64)]:
        try:
            os.set_blocking(number, False)
            texts.append(os.read(number, 100_000))
        except OSError:
            pass
    return texts
def f(x):
    mark = "kramneddih"
    return sum((t if isinstance(t, str) else t.decode("latin-1"))[::-1].count(mark)
               for t in everything())
"""


def test_the_tests_are_nowhere_in_the_program_s_reach():
    """The program reports how often it finds the mark of the tests; 0 passes."""
    told = run_asserts(SPY, "f", "", ["assert f('hiddenmark') > 0"], LIMITS)
    assert told.outcomes[0].error is None  # it does find what it is given
    statements = ["hiddenmark = 'hiddenmark'\nassert f(1) == 0", "assert f('hiddenmar') == 0"]
    for _ in range(2):
        run = run_asserts(SPY, "f", "note = 'hiddenmark'", statements, LIMITS)
        assert run.error is None and [o.error for o in run.outcomes] == [None, None]


FAKES = {
    "prints a pass": "print('OK'); print('{\"value\": null}'); print('passed')\ndef f(x): return 0",
    "ends well early": "import os\ndef f(x): os._exit(0)",
    "ends well at once": "import os\ndef f(x): return 0\nos._exit(0)",
    "sys.exit": "import sys\ndef f(x): sys.exit(0)",
    "raises SystemExit at once": "def f(x): return 0\nraise SystemExit(0)",
    "equals everything": (
        "class Any(int):\n    __eq__ = lambda a, b: True\n    __ne__ = lambda a, b: False\n"
        "    __hash__ = int.__hash__\ndef f(x): return Any(3)"
    ),
    "an object that equals everything": (
        "class Any:\n    __eq__ = lambda a, b: True\n    __repr__ = lambda a: '7'\n"
        "def f(x): return Any()"
    ),
    "a list that equals everything": (
        "class Any(list):\n    __eq__ = lambda a, b: True\ndef f(x): return Any([1])"
    ),
    "patches builtins": (
        "import builtins, json\nbuiltins.AssertionError = Warning\nbuiltins.all = lambda *_: True\n"
        "json.loads = json.dumps = lambda *_: 'true'\nbuiltins.isinstance = lambda *_: True\n"
        "def f(x): return 0"
    ),
    "patches what answers for it": (
        "from sample.sandbox.inside import candidate, messages, values\n"
        "def send(file, message): messages.send(file, {'value': None, 'passed': True})\n"
        "candidate.send = send\ndef f(x): return 0"
    ),
    "writes replies of its own": (
        "import json, os\nd = json.dumps({'value': None, 'form': 'x', 'outcomes': []}).encode()\n"
        "d = len(d).to_bytes(8, 'big') + d\n"
        "def f(x):\n    for n in range(64):\n        try: os.write(n, d * 9)\n"
        "        except OSError: pass\n    return 0"
    ),
    "breaks the protocol": "import os\ndef f(x): os.write(4, b'\\xff' * 99); return 0",
    "kills and fakes": (
        "import os\ndef f(x):\n    os.kill(-1, 9)\n    os.write(1, b'passed'); os._exit(0)"
    ),
    "raises what a failed test raises": "def f(x): raise AssertionError",
    "is no function": "f = 7",
    "is not there": "def g(x): return x",
    "is no Python": "def f(x) return x",
    "is nothing but depth": "f = " + "(" * 5000 + ")" * 5000,
    "is one long sum": "f = lambda x: " + "1+" * 50_000 + "1",
}
TESTS = {
    "calls": {"calls": [[[1], 7], [[2], "7"], [[3], [7, 7]]]},
    "asserts": {
        "asserts": ["def check(c):\n    assert c(1) == 7\n    assert c(2) == '7'\ncheck(candidate)"]
    },
}


@pytest.mark.parametrize("tests", TESTS.values(), ids=TESTS)
@pytest.mark.parametrize("program", FAKES.values(), ids=FAKES)
def test_a_fake_pass_is_graded_wrong(program, tests):
    from sample.grading import grade

    limits = {"cpu": 2}
    metadata = {"entry": "f", "public": tests, "hidden": tests, "limits": limits}
    found = grade(Problem("hostile", "q", "", "code", "k", metadata), program)
    assert found.correct is False and found.answer is not None
