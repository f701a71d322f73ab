"""Does the analysis keep its promises? Studies with planted causes, measured against the truth.

    python -m benchmarks.calibration [--studies 1000] [--sizes 30,200,1000] [--causes none,mixture]
        [--adapters none] [--made 1000] [--pooled 1000] [--jobs 1] [--resamples 1000]
        [--keep DIR] [--markdown FILE]

Prints coverage of the 95 % intervals, error rates of the tests, and how often the planted causes
are named, beside the same for unpaired binomial error bars. --made studies of each cause are made
by the scripted engine, attempt by attempt, through scheduler, graders and record files; --pooled
studies of the larger sizes draw their problems, with replacement, from a pool that was made so,
whose means are then the truth. --studies are drawn from its law into the columns that records are
read into.
"""

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Shown

from analysis.config import AnalysisConfig
from analysis.table import Table, build_table
from benchmarks.expected import fixed_truth
from benchmarks.measures import Outcome, closed, estimates, mean, measure, settings, study_of
from benchmarks.scripted_studies import (
    CAUSES,
    FAMILY,
    STEPS,
    Planted,
    adapters,
    coverage_gap,
    draw_abilities,
    draw_from,
    draw_study,
    make_pool,
    make_studies,
)
from sample.engines.scripted import abilities
from sample.seeds import derive_seed

Floats = NDArray[np.float64]

REPLICATES = 2
CHUNK = 20
_TRUTH_STUDIES, _TRUTH_PROBLEMS = 100, 2000
_MADE_SIZE = 30
_POOL = 20_000
"""Problems of a pool: few of a study's are then drawn twice."""


@dataclass(frozen=True)
class Job:
    """Some studies of one cell. kind: "drawn", "made" or "pool" (measured for their causes),
    "closed" (for the verdict) or "truth". name: of the cause or the adapter. pool: its problems."""

    kind: str
    name: str
    size: int
    first: int
    count: int
    resamples: int
    truth: Outcome | None = None
    pool: int = 0

    @property
    def cell(self) -> "Cell":
        return self.kind, self.name, self.size

    @property
    def file(self) -> str:
        parts = (*self.cell, self.first, self.count, self.resamples, *[self.pool] * (self.pool > 0))
        return "-".join(map(str, parts)).replace(" ", "_") + ".json"


def run(job: Job) -> list[Outcome]:
    """What each study of the job says."""
    margin = AnalysisConfig().margin
    planted = adapters(margin)[job.name] if job.kind == "closed" else CAUSES[job.name]
    if job.kind == "made":
        return [_measured(job, planted, *made) for made in _made(job, planted)]
    if job.kind == "pool":
        return [_pooled(job, planted, job.first + i) for i in range(job.count)]
    return [_drawn(job, planted, job.first + i) for i in range(job.count)]


def _made(job: Job, planted: Planted) -> Iterator[tuple[Table, Floats]]:
    """The studies of one run of the engine, with the abilities of their problems."""
    seed = derive_seed(job.kind, job.name, job.size, job.first)
    for attempts in make_studies(planted, job.count, job.size, REPLICATES, seed):
        table = build_table(attempts, STEPS)
        ability = abilities(planted.base, dict.fromkeys(table.problems[FAMILY]))
        yield table, np.array(list(ability.values()))


@lru_cache(1)
def _pool(name: str, problems: int) -> tuple[Table, Outcome]:
    """The pool of a cause, and what is true of it."""
    planted = CAUSES[name]
    table = make_pool(planted, problems, REPLICATES, derive_seed("pool", name))
    return table, estimates(study_of(table, planted.primary), planted.primary)


def _pooled(job: Job, planted: Planted, number: int) -> Outcome:
    pool, truth = _pool(job.name, job.pool)
    rng = np.random.default_rng((3, list(CAUSES).index(job.name), job.size, number))
    table, known = draw_from(rng, pool, job.size)
    ability = abilities(planted.base, dict.fromkeys(known))
    each = np.array([ability[problem] for problem in known])
    return _measured(replace(job, truth=truth), planted, table, each)


def _drawn(job: Job, planted: Planted, number: int) -> Outcome:
    kinds = ("truth", "drawn", "closed")
    names = [*CAUSES, *adapters(AnalysisConfig().margin)]
    rng = np.random.default_rng((kinds.index(job.kind), names.index(job.name), job.size, number))
    ability = draw_abilities(rng, planted.base, job.size)
    table = draw_study(rng, planted, ability, REPLICATES)
    if job.kind == "truth":
        return estimates(study_of(table, planted.primary), planted.primary)
    if job.kind == "closed":
        return closed(table, planted, settings(planted.primary, job.resamples))
    return _measured(job, planted, table, ability)


def _measured(job: Job, planted: Planted, table: Table, ability: Floats) -> Outcome:
    assert job.truth is not None
    fixed = fixed_truth(planted, ability)
    return measure(table, planted, job.truth, fixed, settings(planted.primary, job.resamples))


def kept(folder: Path | None, job: Job) -> list[Outcome]:
    """``run``, or what an earlier run of the same command left of it in the folder."""
    if folder is None:
        return run(job)
    path = folder / job.file
    if not path.exists():
        outcomes = [{name: float(value) for name, value in said.items()} for said in run(job)]
        begun = path.with_suffix(".part")
        begun.write_text(json.dumps(outcomes), encoding="utf-8")
        begun.rename(path)
    return json.loads(path.read_text(encoding="utf-8"))


def _jobs(cell: "Cell", studies: int, resamples: int, truth: Outcome | None) -> Iterator[Job]:
    pool = _POOL if cell[0] == "pool" else 0
    for first in range(0, studies, CHUNK):
        yield Job(*cell, first, min(CHUNK, studies - first), resamples, truth, pool)


Cell = tuple[str, str, int]
Outcomes = dict[Cell, list[Outcome]]


def collect(jobs: list[Job], processes: int, folder: Path | None, what: str) -> Outcomes:
    """The outcomes of every cell, with a bar."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found: Outcomes = {}
    with Progress(*columns) as progress, ProcessPoolExecutor(processes) as pool:
        bar = progress.add_task(what, total=sum(job.count for job in jobs))
        each: Callable = map if processes == 1 else pool.map
        for job, outcomes in zip(jobs, each(partial(kept, folder), jobs), strict=True):
            found.setdefault(job.cell, []).extend(outcomes)
            progress.advance(bar, job.count)
    return found


def truths(causes: list[str], processes: int, folder: Path | None) -> dict[str, Outcome]:
    """The planted values: means over a million problems apart from the studies."""
    jobs = [
        job
        for name in causes
        for job in _jobs(("truth", name, _TRUTH_PROBLEMS), _TRUTH_STUDIES, 100, None)
    ]
    found = {
        cell[1]: dict(mean(o)) for cell, o in collect(jobs, processes, folder, "truth").items()
    }
    for name, true in found.items():
        # What is exactly 0 by the law must not carry the noise of a simulation.
        if not CAUSES[name].causes:
            found[name] = dict.fromkeys(true, 0.0)
        elif name == "aggregator":
            found[name] = true | {"context": 0.0, "exposure": 0.0, "did": 0.0}
            found[name]["aggregator"] = true["gap"]
    return found


# --- tables


Rows = list[list[str]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _points(share: float) -> str:
    return f"{100 * share + 0.0:.1f}"


def _row(cell: Cell, outcomes: list[Outcome], truth: Outcome, part: str) -> list[str]:
    said = mean(outcomes)
    ours, theirs, found = (
        [_percent(said[f"{part} {rate}"]) for rate in rates]
        for rates in (
            ("covered", "covered, fixed", "covered, bootstrap"),
            ("covered, pooled", "covered, one run"),
            ("found", "found, flip", "found, pooled", "found, one run"),
        )
    )
    if cell[0] == "pool":
        # of a problem drawn twice the attempts are the same, which these intervals do not expect
        ours[1] = "-"
    if cell[:2] == ("pool", "none"):
        found = ["-"] * len(found)  # of a gap that is not exactly 0
    return [cell[1], str(cell[2]), _points(truth[part]), *ours, *theirs, *found]


INTERVALS = (
    "causes", "problems", "true", "t", "fixed", "bootstrap", "pooled", "one run",
    "t ", "sign flip", "pooled ", "one run ",
)  # fmt: skip
SHARES = (
    "causes", "problems", "aggregator", "context", "exposure", "shares covered", "all named",
    "pooled", "one run", "wrong named", "pooled ", "one run ", "ruled out", "pooled  ", "one run  ",
)  # fmt: skip
HOW = {
    "drawn": "drawn from the law",
    "made": "made by the engine",
    "pool": "on problems drawn from a pool made by the engine, whose means are the truth and "
    "differ from the law's, which are shown, by a few tenths of a point",
}
NO_GAP = ("problems", "GAP")
CLOSED = ("adapter", "problems", "gap left", "CLOSED", "pooled", "one run")


def _shares_row(cell: Cell, outcomes: list[Outcome], truth: Outcome) -> list[str]:
    said = mean(outcomes)
    shares = [
        f"{_points(said[name])} ({_points(truth[name])})" if name in said else "-"
        for name in ("aggregator", "context", "exposure")
    ]
    rates = [
        _percent(said[what + how]) if CAUSES[cell[1]].causes or "wrong" in what else "-"
        for what in ("all causes named", "wrong cause named", "cause ruled out")
        for how in ("", ", pooled", ", one run")
    ]
    return [cell[1], str(cell[2]), *shares, _percent(said["shares covered"]), *rates]


def tables(found: Outcomes, truth: dict[str, Outcome]) -> Iterator[tuple[str, tuple, Rows]]:
    """Title, columns and rows of each table."""
    for kind, how in HOW.items():
        cells = _of(kind, found)
        if not cells:
            continue
        number = f"{len(next(iter(cells.values()))):,} studies a row, {how}"
        for part, name in (("gap", "gap"), ("did", "change of the gap")):
            rows = [_row(cell, o, truth[cell[1]], part) for cell, o in cells.items()]
            title = (
                f"The {name}: coverage of 95 % intervals, then share found not to be 0; {number}"
            )
            yield title, INTERVALS, rows
        without = [(cell, o) for cell, o in cells.items() if cell[1] == "none"]
        if without and kind != "pool":  # whose gap is not exactly 0
            rows = [[str(cell[2]), _percent(mean(o)["GAP"])] for cell, o in without]
            yield f"Percent of studies without a gap that say GAP; {number}", NO_GAP, rows
        rows = [_shares_row(cell, o, truth[cell[1]]) for cell, o in cells.items()]
        yield (
            f"Causes: mean share (true) in points, then percent of studies; {number}",
            SHARES,
            rows,
        )
    cells = _of("closed", found)
    if cells:
        number = f"{len(next(iter(cells.values()))):,} studies a row"
        rows = [_closed_row(cell, outcomes) for cell, outcomes in cells.items()]
        yield f"Percent of studies that call the gap closed; {number}", CLOSED, rows


def _of(kind: str, found: Outcomes) -> Outcomes:
    """The cells of one kind, those of one cause or adapter beside one another."""
    cells = [cell for cell in found if cell[0] == kind]
    names = list(dict.fromkeys(name for _, name, _ in cells))
    return {cell: found[cell] for cell in sorted(cells, key=lambda cell: names.index(cell[1]))}


def _closed_row(cell: Cell, outcomes: list[Outcome]) -> list[str]:
    left = coverage_gap(adapters(AnalysisConfig().margin)[cell[1]].adapted)
    rates = [mean(outcomes)[f"CLOSED{how}"] for how in ("", ", pooled", ", one run")]
    return [cell[1], str(cell[2]), _points(left), *map(_percent, rates)]


def markdown(title: str, columns: tuple[str, ...], rows: Rows) -> str:
    lines = [[c.strip() for c in columns], ["---"] * len(columns), *rows]
    return "\n".join([f"*{title}*", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


def show(title: str, columns: tuple[str, ...], rows: Rows, console: Console) -> None:
    table = Shown(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


# --- the command


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000, help="of each row")
    parser.add_argument("--sizes", default="30,200,1000", help="numbers of problems")
    parser.add_argument("--causes", default=",".join(CAUSES), help="some of the default")
    parser.add_argument("--adapters", default="unchanged,at the margin,closed", help="or none")
    parser.add_argument("--made", type=int, default=1000, help="of each cause, by the engine")
    parser.add_argument("--pooled", type=int, default=1000, help="of each larger size and cause")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--resamples", type=int, default=1000, help="sign flips and bootstraps")
    parser.add_argument("--keep", type=Path, help="folder from which the same command goes on")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file too")
    options = parser.parse_args()
    options.causes = options.causes.split(",")
    options.sizes = [int(size) for size in options.sizes.split(",")]
    options.adapters = [name for name in options.adapters.split(",") if name != "none"]
    known = {"causes": CAUSES, "adapters": adapters(AnalysisConfig().margin)}
    for name, legal in known.items():
        if unknown := set(getattr(options, name)) - set(legal):
            parser.error(f"--{name}: expected some of {', '.join(legal)} (given: {min(unknown)})")
    return options


def main() -> None:
    options = _options()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    truth = truths(options.causes, options.jobs, options.keep)
    counts = {"made": options.made, "pool": options.pooled}

    def wanted(cell: Cell) -> Iterator[Job]:
        studies = counts.get(cell[0], options.studies)
        return _jobs(cell, studies, options.resamples, truth.get(cell[1]))

    larger = [size for size in options.sizes if size > _MADE_SIZE]
    cells = [
        *(("made", name, _MADE_SIZE) for name in options.causes),
        *(("drawn", name, size) for size in options.sizes for name in options.causes),
        *(("closed", name, size) for size in options.sizes for name in options.adapters),
    ]
    # all rows of a table grow together, so that the folder gives a table of fewer studies early
    jobs = [job for cell in cells for job in wanted(cell)]
    jobs.sort(key=lambda job: (job.kind != "made", job.size, job.kind, job.first))
    # save those of pools, which take long to make
    pools = [("pool", name, size) for name in options.causes for size in larger]
    jobs += [job for cell in pools for job in wanted(cell)]
    found = collect(jobs, options.jobs, options.keep, "studies")
    shown = list(tables(found, truth))
    for title, columns, rows in shown:
        show(title, columns, rows, Console(width=200))
    fewest = min(map(len, found.values()))
    error = 200 * math.sqrt(0.05 * 0.95 / fewest)
    note = f"Two standard errors of a rate near 5 or 95 % of {fewest:,}: {error:.1f} points."
    Console().print(note)
    if options.markdown:
        texts = itertools.starmap(markdown, shown)
        options.markdown.write_text("\n".join([*texts, note, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
