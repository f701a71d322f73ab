import os
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from doubles import EchoEngine
from one_process import one_process

from sample.config import ArmConfig, ProblemConfig, SampleConfig, System
from sample.errors import ForageError, UsageError
from sample.models import TransformersModel
from sample.processes import Job, run_jobs
from sample.runfolder import RunFolder
from sample.store import read_attempts
from sample.workers import load_all, sample_systems

MODEL = TransformersModel("m", batch=2)
SYSTEMS = [System("base", "base", MODEL), System("other", "base", MODEL, "adapters/x")]
CONFIG = SampleConfig(
    {"base": MODEL},
    {"sums": ProblemConfig("chain_sum", count=5)},
    {
        "parallel": ArmConfig("parallel"),
        "sequential": ArmConfig("sequential"),
        "swapped_history": ArmConfig("swapped_history", systems=("base",)),
    },
    attempts=3,
)
TOTAL = 5 * 3 * (3 + 2)


async def load_echo(systems, problems, decoding):
    for _ in systems:
        yield EchoEngine()


class Dying(EchoEngine):
    """Kills its own process, as the system does when memory runs out."""

    async def generate(self, request):
        if len(self.requests) == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().generate(request)


async def load_dying(systems, problems, decoding):
    for _ in systems:
        yield Dying()


class Refusing(EchoEngine):
    async def generate(self, request):
        raise ConnectionError("line is dead")


async def load_refusing(systems, problems, decoding):
    for _ in systems:
        yield Refusing()


async def load_nothing(systems, problems, decoding):
    raise UsageError(f"model {systems[0].model.path!r}: no such folder")
    yield


async def load_broken(systems, problems, decoding):
    raise ZeroDivisionError("oops")
    yield


def sample(path, load=load_echo, workers=2, **options):
    folder = RunFolder(path)
    path.mkdir(exist_ok=True)
    problems = load_all(CONFIG)
    sample_systems(
        SYSTEMS, CONFIG, problems, folder, seed=1, workers=workers, hashed="abc", load=load,
        **options,
    )  # fmt: skip
    return contents(folder)


def contents(folder):
    return {
        (*attempt.key, attempt.seed, attempt.text, attempt.correct)
        for attempt in read_attempts(folder.attempts)
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with one_process():
        return sample(tmp_path_factory.mktemp("whole"), workers=1)


@pytest.mark.parametrize("place", [one_process, pytest.param(nullcontext, marks=pytest.mark.smoke)])
def test_records_do_not_depend_on_the_number_of_workers(whole, tmp_path, capsys, place):
    assert len(whole) == TOTAL
    with place():
        assert sample(tmp_path / "run", workers=3) == whole
        assert "base: 45/45 attempts" in capsys.readouterr().err
        before = (tmp_path / "run" / "attempts.jsonl").read_bytes()
        sample(tmp_path / "run", load=load_nothing)
        assert (tmp_path / "run" / "attempts.jsonl").read_bytes() == before


@pytest.mark.smoke
def test_a_killed_worker_is_told_and_the_same_call_goes_on(whole, tmp_path):
    with pytest.raises(ForageError, match=r"sampling worker \d was killed.*same command again"):
        sample(tmp_path / "run", load_dying)
    made = contents(RunFolder(tmp_path / "run"))
    assert 0 < len(made) < TOTAL and made < whole
    assert sample(tmp_path / "run") == whole


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("load", "kind", "what"),
    [
        (load_nothing, UsageError, "no such folder"),
        (load_broken, ForageError, r"ZeroDivisionError: oops \(traceback in .*sample-\d\.log"),
    ],
)
def test_an_error_in_a_worker_is_the_error_of_the_run(tmp_path, load, kind, what):
    with pytest.raises(kind, match=what) as error:
        sample(tmp_path / "run", load)
    assert type(error.value) is kind


@pytest.mark.smoke
def test_failed_calls_are_told_when_all_is_done(tmp_path, capsys):
    sample(tmp_path / "run", load_refusing)
    said = re.search(
        r"(\d+) attempts failed or were not graded, most often ConnectionError: line is dead; "
        r"(\d+) more rest on one of these",
        capsys.readouterr().err,
    )
    assert said is not None and int(said[1]) + int(said[2]) == TOTAL
    sample(tmp_path / "other")
    assert "failed" not in capsys.readouterr().err


@pytest.mark.usefixtures("in_this_process")
def test_failed_attempts_are_made_again_only_when_asked(whole, tmp_path, capsys):
    failed = sample(tmp_path / "run", load_refusing)
    assert "with --retry-failed" in capsys.readouterr().err
    assert sample(tmp_path / "run", load_nothing) == failed
    assert sample(tmp_path / "run", retry_failed=True) == whole
    assert f"made again: {TOTAL} attempts" in capsys.readouterr().err


def test_two_sets_with_the_same_problem_are_refused():
    problems = {"a": ProblemConfig("chain_sum", count=5), "b": ProblemConfig("chain_sum", count=3)}
    config = SampleConfig({"base": MODEL}, problems, {"parallel": ArmConfig("parallel")})
    with pytest.raises(UsageError, match=r"sample\.problems\.a and \.b share the problem"):
        load_all(config)


def sleep_for_ever(send, path):
    """With a process of its own, as vLLM has them."""
    child = subprocess.Popen(["sleep", "1000"])
    Path(path, str(child.pid)).touch()
    Path(path, str(os.getpid())).touch()
    time.sleep(1000)


def sleepers(path):
    code = (
        "import signal, sys\nfrom pathlib import Path\n"
        "from sample.processes import Job, run_jobs\nfrom test_workers import sleep_for_ever\n"
        # Shells start background jobs deaf to it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "if __name__ == '__main__':\n"
        "    log = Path(sys.argv[1], 'logs', 'l')\n"
        "    jobs = [Job(f'j{i}', sleep_for_ever, (sys.argv[1],), log, 1)"
        " for i in range(2)]\n"
        "    run_jobs(jobs, 2, print)\n"
    )
    paths = os.pathsep.join(str(Path(__file__).parents[i]) for i in range(3))
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def runs(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def sleeping(path):
    wait_for(lambda: len([p for p in path.iterdir() if p.name.isdecimal()]) == 4)
    processes = [int(p.name) for p in path.iterdir() if p.name.isdecimal()]
    assert all(map(runs, processes))
    return processes


@pytest.mark.smoke
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(tmp_path, how):
    parent = sleepers(tmp_path)
    processes = sleeping(tmp_path)
    parent.send_signal(how)
    parent.communicate(timeout=60)
    wait_for(lambda: not any(map(runs, processes)))
    assert (tmp_path / "logs" / "l").read_text() == ""


@pytest.mark.smoke
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_nothing_outlives_a_killed_worker(tmp_path):
    parent = sleepers(tmp_path)
    processes = sleeping(tmp_path)
    os.kill(next(p for p in processes if os.getpgid(p) == p), signal.SIGKILL)
    assert "ForageError" in parent.communicate(timeout=60)[1]
    wait_for(lambda: not any(map(runs, processes)))


def send_threads(send):
    print("noise")
    send(os.environ["OMP_NUM_THREADS"])


def leave_a_farewell(send, path):
    import atexit

    atexit.register(Path(path).write_text, "ended by itself")
    raise UsageError("no use")


def test_a_job_that_says_what_stopped_it_may_end_by_itself(tmp_path):
    job = Job("j", leave_a_farewell, (str(tmp_path / "left"),), tmp_path / "logs" / "j.log", 1)
    with pytest.raises(UsageError, match="no use"):
        run_jobs([job], 1, print)
    assert (tmp_path / "left").read_text() == "ended by itself"


def test_a_job_prints_into_its_log_and_has_its_threads(tmp_path, capfd):
    received = []
    jobs = [Job("j", send_threads, (), tmp_path / "logs" / "j.log", threads) for threads in (1, 3)]
    ticks = []
    run_jobs(jobs, 1, received.append, lambda: ticks.append(1))
    assert received == ["1", "3"] and ticks
    assert (tmp_path / "logs" / "j.log").read_text() == "noise\n" * 2
    assert capfd.readouterr().out == ""
