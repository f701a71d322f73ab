"""Progress of long work on stderr: bars on a terminal, an occasional plain line elsewhere."""

import sys
import time
from dataclasses import dataclass
from typing import Any

import click

PLAIN_EVERY = 15.0
"""Seconds between two plain lines of the same bar."""


@dataclass
class _Line:
    total: int
    done: int
    first: int
    began: float = 0.0
    shown: float = 0.0


def say(text: str) -> None:
    """One line to the user, on stderr so that piped results stay clean."""
    click.secho(text, bold=True, err=True)


class Progress:
    """One bar per name. unit: what is counted, e.g. "attempts".

    passing: of work that is mostly too short to be told of: done, its bars are gone, and where
    there is no terminal only what takes long is shown.
    """

    def __init__(self, unit: str, passing: bool = False) -> None:
        self.unit = unit
        self._passing = passing
        self._lines: dict[str, _Line] = {}
        self._tasks: dict[str, Any] = {}
        self._bars = _bars(unit, passing) if sys.stderr.isatty() else None

    def __enter__(self) -> "Progress":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def add(self, name: str, total: int, done: int) -> None:
        """Begin a bar; ``done`` of its ``total`` were done by an earlier run."""
        self._lines[name] = _Line(total, done, done)
        if self._bars:
            self._tasks[name] = self._bars.add_task(name, total=total, completed=done)

    def update(self, name: str, done: int) -> None:
        line = self._lines[name]
        if done == line.done:
            return
        line.began = line.began or time.monotonic()
        line.shown = line.shown or line.began
        line.done = done
        # A resumed training goes back to its checkpoint and makes the steps after it once more.
        line.first = min(line.first, done)
        if self._bars:
            self._bars.update(self._tasks[name], completed=done)
        elif self._last(line) or time.monotonic() - line.shown > PLAIN_EVERY:
            self._print(name, line)

    def _last(self, line: _Line) -> bool:
        return line.done >= line.total and not self._passing

    def advance(self, name: str) -> None:
        self.update(name, self._lines[name].done + 1)

    def _print(self, name: str, line: _Line) -> None:
        line.shown = time.monotonic()
        rate = (line.done - line.first) / max(line.shown - line.began, 1e-9)
        left = f"{(line.total - line.done) / rate:.0f} s" if rate else "?"
        text = f"  {name}: {line.done}/{line.total} {self.unit}, {rate:.1f}/s, {left} left"
        print(text, file=sys.stderr, flush=True)


def _bars(unit: str, transient: bool) -> Any:
    from rich import progress
    from rich.console import Console

    class Rate(progress.ProgressColumn):
        def render(self, task: progress.Task) -> str:
            return f"{task.speed:.1f} {unit}/s" if task.speed else ""

    return progress.Progress(
        progress.TextColumn("  {task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=transient,
    )
