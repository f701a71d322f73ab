import os
import threading
import time

import pytest

from sample.graders.base import GradingError
from sample.graders.guard import Guard


def double(number):
    return 2 * number


def fail(text):
    raise KeyError(text)


def spin():
    while True:
        pass


def never_hears_a_signal():
    return len(str(9 ** (9**9)))


def take_memory(size):
    return len(bytearray(size))


def die():
    os._exit(3)


@pytest.fixture(scope="module")
def guard():
    return Guard(cpu_seconds=1, memory=1 << 30)


def test_results_and_errors_come_back(guard):
    assert guard(double, 21) == 42
    with pytest.raises(GradingError, match="KeyError: 'what'"):
        guard(fail, "what")


@pytest.mark.parametrize(
    "function,reason",
    [
        pytest.param(spin, "CPU time", marks=pytest.mark.smoke),
        pytest.param(never_hears_a_signal, "CPU time", marks=pytest.mark.smoke),
        (die, "exit code 3"),
    ],
)
def test_what_never_ends_or_dies_costs_only_itself(guard, function, reason):
    with pytest.raises(GradingError, match=reason):
        guard(function)
    assert guard(double, 21) == 42


def test_memory_is_bounded(guard):
    with pytest.raises(GradingError, match="MemoryError"):
        guard(take_memory, 3 << 30)
    assert guard(take_memory, 1 << 20) == 1 << 20


def test_threads_get_their_own_results(guard):
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: guard(double, n)})) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: 2 * n for n in range(20)}


def test_an_interrupted_call_leaves_nothing_to_the_next(guard, monkeypatch):
    class Interrupted:
        def __init__(self, connection):
            self.connection = connection

        def __getattr__(self, name):
            return getattr(self.connection, name)

        def recv(self):
            raise KeyboardInterrupt

    guard(double, 1)
    monkeypatch.setattr(guard, "_connection", Interrupted(guard._connection))
    with pytest.raises(KeyboardInterrupt):
        guard(double, 1000)
    assert guard(double, 3) == 6


def test_the_process_ends_with_its_guard():
    guard = Guard()
    process = guard(os.getpid)
    guard._forget()
    for _ in range(100):
        if not os.path.exists(f"/proc/{process}") or _is_zombie(process):
            return
        time.sleep(0.1)
    raise AssertionError("still running")


def _is_zombie(process):
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"
