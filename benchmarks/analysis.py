"""How fast an analysis is: whole runs in fresh processes, and estimators beside their peers.

    python -m benchmarks.analysis [--parts large,small,help,peers] [--problems 1000] [--attempts 10]
        [--replicates 10]

large: ``forage analyze`` on problems x 10 arms x attempts x replicates records (a million by
default), 10,000 resamples. small: on 500 x 10 x 8 x 2. help: ``forage --help``. Each prints wall
and CPU seconds and the peak of memory. peers: each estimator and what others have for it, on the
same numbers, with the ratio of CPU times and the largest difference of the results
(``benchmarks.peers``).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.peers import pairs, row

Floats = NDArray[np.float64]

ADAPTERS = ("diverse-s0", "diverse-s1", "history-s0")
ARMS = [("base", a) for a in ("parallel", "sequential", "irrelevant_context", "tally")]
ARMS += [(system, arm) for system in ADAPTERS for arm in ("parallel", "sequential")]
REUSE = {"sequential": 0.6, "tally": 0.4}
_THINKING = "try 12 + 7 = 19, then 19 * 3 = 57, no; 12 * 7 = 84, 84 - 3 = 81, yes"


# --- whole runs


def write_records(path: Path, problems: int, replicates: int, attempts: int) -> int:
    """Attempts that repeat an earlier answer by arm, as lines of a record file; how many."""
    rng = np.random.default_rng(0)
    ability = rng.beta(1, 2, problems)
    with path.open("w", encoding="ascii") as file:
        for system, arm in ARMS:
            codes = answers(rng, ability, replicates, attempts, REUSE.get(arm, 0.0))
            prompt = 20 + 12 * np.arange(attempts) * (arm in ("sequential", "irrelevant_context"))
            file.writelines(lines(system, arm, codes, prompt))
    return problems * replicates * attempts * len(ARMS)


def answers(
    rng: np.random.Generator, ability: Floats, replicates: int, attempts: int, reuse: float
) -> NDArray[np.int64]:
    """[problem, replicate, step] codes, 0 = correct."""
    shape = (len(ability), replicates, attempts)
    codes = np.where(rng.random(shape) < ability[:, None, None], 0, rng.integers(1, 30, shape))
    for step in range(1, attempts):
        again = rng.random(shape[:2]) < reuse
        codes[:, :, step] = np.where(again, codes[:, :, step - 1], codes[:, :, step])
    return codes


def lines(
    system: str, arm: str, codes: NDArray[np.int64], prompt: NDArray[np.int64]
) -> Iterator[str]:
    """One record each, with the fields of ``sample.records.Attempt``."""
    fixed = {"family": "toy", "arm": arm, "system": system, "thinking": _THINKING}
    fixed |= {"finish": "stop", "failure": None, "config": "c0ffee", "rejected": []}
    head = json.dumps({**fixed, "schema_version": 1}, separators=(",", ":"))[:-1]
    for (problem, replicate, step), code in np.ndenumerate(codes):
        yield (
            f'{head},"problem":"{problem:016x}","replicate":{replicate},"step":{step + 1},'
            f'"seed":{problem},"text":"{code}","answer":"{code}","canonical":"{code}",'
            f'"correct":{"false" if code else "true"},"ledger":{{"prompt":{prompt[step]},'
            f'"cached":null,"thinking":{20 + code},"answer":4,"seconds":0.1}}}}\n'
        )


@dataclass(frozen=True)
class Spent:
    """Of one process. wall, cpu: seconds; memory: peak, GB."""

    wall: float
    cpu: float
    memory: float


def fresh(*arguments: str) -> Spent:
    """Run ``forage`` in a process of its own.

    Raises:
        SystemExit: it failed.
    """
    command = [sys.executable, "-m", "forage", *arguments]
    null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=null)
    _, status, used = os.wait4(child, 0)
    wall = time.perf_counter() - start
    if status:
        sys.exit(f"failed: {' '.join(command)}")
    return Spent(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6)


def analyzed(problems: int, replicates: int, attempts: int) -> tuple[str, Spent]:
    """What ``forage analyze`` spends on a run of this shape."""
    with TemporaryDirectory() as folder:
        count = write_records(Path(folder) / "attempts.jsonl", problems, replicates, attempts)
        return f"forage analyze, {count:,} attempts", fresh("analyze", folder)


# --- the command


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default="large,small,help,peers")
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--attempts", type=int, default=10)
    parser.add_argument("--replicates", type=int, default=10)
    return parser.parse_args()


def main() -> None:
    options = _options()
    parts = options.parts.split(",")
    runs = Table("command", "wall s", "CPU s", "peak GB", title="Fresh processes")
    found: list[tuple[str, Spent]] = []
    if "large" in parts:
        found.append(analyzed(options.problems, options.replicates, options.attempts))
    if "small" in parts:
        found.append(analyzed(500, 2, 8))
    if "help" in parts:
        found.append(("forage --help", fresh("--help")))
    for name, spent in found:
        runs.add_row(name, f"{spent.wall:.2f}", f"{spent.cpu:.2f}", f"{spent.memory:.2f}")
    if found:
        Console().print(runs)
    if "peers" in parts:
        table = Table("estimator", "peer", "ours ms", "peer ms", "ratio", "difference")
        for pair in pairs():
            table.add_row(*row(pair))
        Console().print(table)


if __name__ == "__main__":
    main()
