"""Does stopping early keep the promises of the verdict, and what does it save?

    python -m benchmarks.stopping [--studies 400] [--sizes 300,1000] [--looks 10]
        [--pool 20000] [--markdown FILE]

Problems are drawn once, with every adapter, from the law of the scripted engine; a study is a
sample of them, in which their mean is the truth. Each is judged at its end, and by the rule of
--until-decided, on the same problems in the same order.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from analysis.config import AnalysisConfig, Stopping, SystemInfo
from analysis.statistic import Statistic, without_noise
from analysis.study import Key, Study, build_study
from analysis.table import arrange
from analysis.verdict import VERDICTS, Terms, judge, terms_of
from analysis.watch import watch_study
from benchmarks.calibration import markdown, show
from benchmarks.scripted_studies import FAMILY, PAIR, adapters, draw_rows
from sample.models import ScriptedModel

REPLICATES = 4
CHUNK = 2000
PRIMARY = "coverage"
_GAPS = ("gap_base", "gap_adapted", "parallel_change")
COLUMNS = (
    *("adapters", "problems", "margin", "left", "CLOSED at the end"),
    *(name.replace("_", " ") for name in reversed(VERDICTS[1:])),
    *("problems used", "ended early"),
)


@dataclass(frozen=True)
class Scene:
    """adapters: watched together. margin: of the study, so that a truth lies exactly on it."""

    adapters: tuple[str, ...]
    margin: float


KEPT = 0.85
"""Share of the ability that the adapter "damaged" keeps; like "closed" it has no gap."""


def laws() -> dict[str, ScriptedModel]:
    """The base and every adapter."""
    planted = adapters(AnalysisConfig().margin)
    base = planted["closed"].base
    found = {"base": base} | {name: given.adapted for name, given in planted.items()}
    halved = replace(base, exposure_effect=base.exposure_effect / 2)
    return {**found, "halved": halved, "damaged": found["closed"]}


def draw_pool(problems: int) -> dict[Key, Statistic]:
    """Every contrast of the adapters, on problems drawn from the law of the base."""
    chunks = [_chunk(np.random.default_rng(i)) for i in range(-(-problems // CHUNK))]
    return {
        key: without_noise(
            np.concatenate([chunk[key].values for chunk in chunks]), one.low, one.high, REPLICATES
        )
        for key, one in chunks[0].items()
    }


def _chunk(rng: np.random.Generator) -> Mapping[Key, Statistic]:
    found = laws()
    base = found["base"]
    size = 1 / base.spread - 1
    ability = rng.beta(base.accuracy * size, (1 - base.accuracy) * size, CHUNK).clip(1e-9, 1 - 1e-9)
    kept = {"damaged": KEPT}
    rows = {
        (FAMILY, name, arm): draw_rows(rng, law, ability * kept.get(name, 1), arm, REPLICATES)
        for name, law in found.items()
        for arm in PAIR
    }
    table = arrange(rows, {FAMILY: [f"{i:06}" for i in range(CHUNK)]})
    systems = {name: _info(name) for name in found}
    study = build_study(table, FAMILY, systems, "base", PRIMARY, explored=False)
    return {key: one for key, one in study.contrasts.items() if key[-1] == PRIMARY}


def _info(name: str) -> SystemInfo:
    return SystemInfo(name, None if name == "base" else "base", None)


def scenes(pool: Mapping[Key, Statistic]) -> Iterator[Scene]:
    """Each adapter alone, and some together; those at a margin with the margin at the truth."""
    usual = AnalysisConfig().margin
    yield Scene(("at the margin",), pool["gap_adapted", "at the margin", PRIMARY].estimate)
    yield Scene(("damaged",), -pool["parallel_change", "damaged", PRIMARY].estimate)
    for name in ("unchanged", "halved", "closed"):
        yield Scene((name,), usual)
    yield Scene(("halved", "closed"), usual)
    yield Scene(("unchanged", "halved", "closed"), usual)


@dataclass(frozen=True)
class Ended:
    """One study. fixed, stopped: adapter -> verdict at the end, and by the rule; used: share."""

    fixed: Mapping[str, str]
    stopped: Mapping[str, str]
    used: float


def run(
    pool: Mapping[Key, Statistic], scene: Scene, size: int, looks: int, rng: np.random.Generator
) -> Ended:
    """One study of so many problems of the pool."""
    keys = [("gap", "base", PRIMARY)]
    for name in scene.adapters:
        keys += [("gap", name, PRIMARY), ("did", name, PRIMARY)]
        keys += [(gap, name, PRIMARY) for gap in _GAPS]
    chosen = rng.integers(0, len(pool[keys[0]].values), size)
    drawn = {key: _taken(pool[key], chosen) for key in keys}
    config = AnalysisConfig(scene.margin, primary={FAMILY: PRIMARY}, stopping=Stopping(looks=looks))
    problems = tuple(f"{i:06}" for i in range(size))
    study = Study(FAMILY, problems, {}, {}, {}, drawn, (), of_files=False)
    systems = {name: _info(name) for name in ("base", *scene.adapters)}
    found = watch_study(study, np.ones(size, bool), problems, config, systems)
    fixed, at_stop = terms_of(config), terms_of(config, found.look.bounds(problems))
    used = found.decision.used / size
    return Ended(_verdicts(study, scene, fixed), _verdicts(study, scene, at_stop), used)


def _taken(one: Statistic, chosen: np.ndarray) -> Statistic:
    return without_noise(one.values[chosen], one.low, one.high, one.replicates)


def _verdicts(study: Study, scene: Scene, terms: Terms) -> dict[str, str]:
    return {name: _judged(study, name, terms) for name in scene.adapters}


def _judged(study: Study, name: str, terms: Terms) -> str:
    base, left, change = (study.contrasts[gap, name, PRIMARY] for gap in _GAPS)
    return judge(base, left, change, terms).verdict


def row(
    pool: Mapping[Key, Statistic], scene: Scene, size: int, studies: Sequence[Ended]
) -> list[str]:
    """Percent of the studies."""
    left = [100 * pool["gap_adapted", name, PRIMARY].estimate for name in scene.adapters]
    fixed, stopped = (
        [Counter(getattr(study, how)[name] for study in studies) for name in scene.adapters]
        for how in ("fixed", "stopped")
    )

    def shares(counts: Sequence[Counter[str]], verdict: str) -> str:
        return ", ".join(f"{100 * found[verdict] / len(studies):.1f}" for found in counts)

    early = np.mean([study.used < 1 for study in studies])
    return [
        *(", ".join(scene.adapters), str(size), f"{100 * scene.margin:.1f}"),
        *(", ".join(f"{value:.1f}" for value in left), shares(fixed, "CLOSED")),
        *(shares(stopped, verdict) for verdict in reversed(VERDICTS[1:])),
        *(f"{100 * np.mean([s.used for s in studies]):.0f}", f"{100 * early:.0f}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=400, help="of each row")
    parser.add_argument("--sizes", default="300,1000", help="numbers of problems")
    parser.add_argument("--looks", type=int, default=10)
    parser.add_argument("--pool", type=int, default=20_000, help="problems that studies draw from")
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    options = parser.parse_args()
    pool, rows = draw_pool(options.pool), []
    for number, scene in enumerate(scenes(pool)):
        for size in map(int, options.sizes.split(",")):
            rng = np.random.default_rng((number, size))
            studies = [run(pool, scene, size, options.looks, rng) for _ in range(options.studies)]
            rows.append(row(pool, scene, size, studies))
            print(rows[-1], flush=True)
    title = f"Percent of {options.studies:,} studies a row; gaps in points; {options.looks} looks"
    show(title, COLUMNS, rows, Console(width=200))
    if options.markdown:
        options.markdown.write_text(markdown(title, COLUMNS, rows), encoding="utf-8")


if __name__ == "__main__":
    main()
