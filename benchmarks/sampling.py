"""How fast sampling is, in one table.

    python -m benchmarks.sampling [--parts transformers,vllm,openai,generate,barrier,records,memory]
                                  [--problems 64] [--repeats 3] [--parameters 30M]

Rates are tokens per CPU second of all processes that take part, so that other work on the machine
disturbs them little; the two sides of a ratio run in turns. A part that cannot run here says why.
With --parameters the engines have a random model of that size in place of the embedded one.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import astuple
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import overhead, scale, uneven
from benchmarks.measure import Row
from benchmarks.random_model import SHAPE, parse_size, save_random
from sample.errors import ForageError


def engine(opened: AbstractAsyncContextManager[overhead.Contest], *sizes: int) -> list[Row]:
    async def run() -> list[Row]:
        async with opened as contest:
            return await overhead.rows(contest, *sizes)

    return asyncio.run(run())


def parts(model: str, problems: int, repeats: int, log: Path) -> dict[str, Callable[[], list[Row]]]:
    sizes = problems, repeats
    return {
        "transformers": lambda: engine(overhead.transformers(model), *sizes),
        "vllm": lambda: engine(overhead.vllm(model), *sizes),
        "openai": lambda: engine(overhead.openai(model, log), *sizes),
        "generate": lambda: asyncio.run(uneven.against_generate(8 * problems, repeats)),
        "barrier": lambda: asyncio.run(uneven.against_barrier(problems, repeats)),
        "records": lambda: scale.records(100_000),
        "memory": lambda: scale.memory(1_000, 10_000),
    }


def rows(name: str, part: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a part, or one that says why there are none."""
    try:
        return part()
    except (ImportError, OSError, ForageError) as error:
        return [Row(name, note=f"cannot run here: {error}"[:160])]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    known = list(parts(SHAPE, 0, 0, Path()))
    parser.add_argument("--parts", default=",".join(known))
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parameters", type=parse_size, help="e.g. 30M")
    options = parser.parse_args()
    chosen = options.parts.split(",")
    if unknown := sorted(set(chosen) - set(known)):
        parser.error(f"--parts: some of {', '.join(known)} (given: {', '.join(unknown)})")
    table = Table("what", "ours", "other", "ratio", "target", "note")
    with tempfile.TemporaryDirectory() as folder:
        size, model = options.parameters, SHAPE
        if size is not None:
            model = save_random(Path(folder) / "model", size)
        made = parts(model, options.problems, options.repeats, Path(folder) / "server.log")
        for name in chosen:
            print(f"{name} ...", file=sys.stderr)
            for row in rows(name, made[name]):
                table.add_row(*astuple(row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
