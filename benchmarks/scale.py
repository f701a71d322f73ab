"""What does not grow: time to resume a large run, memory with the number of problems."""

import multiprocessing
import re
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.measure import Row
from sample.config import ArmConfig, ProblemConfig, SampleConfig, config_systems
from sample.models import ScriptedModel
from sample.records import Attempt, Ledger
from sample.run import Run
from sample.runfolder import RunFolder
from sample.stage import make_attempts, problems_of
from sample.store import AttemptStore

TEXT = "thinking of about the length of an attempt of the embedded model " * 4


def records(count: int) -> list[Row]:
    """Records written one by one, and read again as a resumed run reads them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attempts.jsonl"
        begin = time.process_time()
        with AttemptStore(path) as store:
            for number in range(count):
                store.append(_attempt(number))
        written = time.process_time()
        with AttemptStore(path) as store:
            assert len(store.attempts) == count
        read = time.process_time()
        size = path.stat().st_size / 1e6
    return [
        Row(f"{count:,} records written", f"{written - begin:.1f} CPU s", note=f"{size:.0f} MB"),
        Row(f"{count:,} records read on resume", f"{read - written:.1f} CPU s"),
    ]


def _attempt(number: int) -> Attempt:
    return Attempt(
        "countdown", f"{number // 8:016x}", "sequential", "base", 0, number % 8 + 1, number, TEXT,
        "1 + 2 * 3", "1 + 2 * 3", "1 + 2 * 3", False, "stop", Ledger(98, 80, 16, 4, 0.5),
        config="0123456789ab", engine="scripted",
    )  # fmt: skip


def memory(*counts: int) -> list[Row]:
    """Peak memory of a run's own process and of its worker, by the number of problems."""
    context = multiprocessing.get_context("spawn")
    peaks = []
    for count in counts:
        with ProcessPoolExecutor(1, context) as pool:
            peaks.append(pool.submit(_peaks, count).result())
    ratio = f"{sum(peaks[-1]) / sum(peaks[0]):.2f}"
    ours, other = (f"{own:.0f} + {worker:.0f} MB" for own, worker in (peaks[-1], peaks[0]))
    what = f"peak memory, {counts[-1]:,} / {counts[0]:,} problems, run + worker"
    return [Row(what, ours, other, ratio, "<= 1.2")]


def _peaks(count: int) -> tuple[float, float]:
    """MB of a scripted run in this process, which has done nothing else, and of its worker."""
    config = SampleConfig(
        models={"base": ScriptedModel(reuse=0.5)},
        problems={"sums": ProblemConfig("chain_sum", count=count)},
        arms={"sequential": ArmConfig("sequential")},
        attempts=4,
    )
    with tempfile.TemporaryDirectory() as folder:
        run = Run(RunFolder(Path(folder)), "benchmark", 0, 1)
        problems = problems_of(run.folder, config)
        make_attempts(run, config, config_systems(config), problems)
    # Not ru_maxrss of this process, which it inherits from its parent.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return int(peak[1]) / 1024, worker / 1024
