"""Rows of the benchmark's table, and how two programs are compared."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from statistics import median

import psutil


@dataclass(frozen=True)
class Row:
    """ours, other: figures with units, "" where there is none. target: e.g. ">= 1.5"."""

    what: str
    ours: str = ""
    other: str = ""
    ratio: str = ""
    target: str = ""
    note: str = ""


def cpu_seconds() -> float:
    """Of this process and all that live under it: the figure that a busy machine disturbs least."""
    own = psutil.Process()
    return sum(sum(times[:2]) for times in _times([own, *own.children(recursive=True)]))


def _times(processes: list[psutil.Process]) -> Iterator[tuple[float, ...]]:
    for process in processes:
        try:
            yield process.cpu_times()
        except psutil.NoSuchProcess:
            continue


Run = Callable[[], Awaitable[int]]
"""Does the work; returns how many tokens it generated."""


async def compared(what: str, ours: Run, other: Run, repeats: int, target: float) -> Row:
    """Tokens per CPU second of two programs, run in turns; the medians, and that of the ratios."""
    rates: list[tuple[float, float]] = []
    for _ in range(repeats):
        rates.append((await _rate(ours), await _rate(other)))
    first, second = (f"{median(side):,.0f} tok/s" for side in zip(*rates, strict=True))
    ratios = sorted(a / b for a, b in rates)
    spread = f"ratios {ratios[0]:.2f} to {ratios[-1]:.2f}"
    return Row(what, first, second, f"{median(ratios):.2f}", f">= {target}", spread)


async def _rate(run: Run) -> float:
    begin = cpu_seconds()
    tokens = await run()
    return tokens / (cpu_seconds() - begin)
