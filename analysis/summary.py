"""From attempt records to ``summary.json`` (schema in docs/summary.md)."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from analysis.config import AnalysisConfig, RunInfo, SystemInfo, guess_info
from analysis.corrections import corrected_json, correction_warnings
from analysis.family import family_json
from analysis.interim import interim_json
from analysis.numbers import SCHEMA_VERSION, Json, plain_json
from analysis.study import build_study
from analysis.table import Table, build_table
from analysis.watch import Watch
from analysis.words import counted
from sample.errors import UsageError
from sample.records import Attempt


def summarize(
    attempts: Iterable[Attempt],
    config: AnalysisConfig,
    systems: Mapping[str, SystemInfo] | None = None,
    run: RunInfo | None = None,
    *,
    watched: Mapping[str, Watch] | None = None,
    vectors: NDArray[np.float64] | None = None,
) -> Json:
    """The summary of a run, ready for ``json.dumps``; an undefined number is None.

    systems: what each system of the records is; one that is not named is judged by its name.
    watched: the families that a stopping rule ends. vectors: [attempt, dimension] of the traces of
    the attempts (``analysis.embeddings``).

    Raises:
        UsageError: no records, or a fixed-benchmark verdict asked of a single replicate.
    """
    run, watched = run or RunInfo(), watched or {}
    table = build_table(attempts, run.steps)
    infos, said = _know_systems(table, systems or {}, config.base)
    registered = run.registered and not _is_changed(table, run)
    said += [*_table_warnings(table, run), *_not_begun(table, run)]
    settings = _settings(table, config, run, registered)
    families: Json = {}
    for name in sorted(table.problems):
        primary, watch = config.aggregator(name), watched.get(name)
        study = build_study(table, name, infos, config.base, primary, vectors=vectors)
        interim = interim_json(table, name, run.asked.get(name, 0), watch)
        families[name], more = family_json(study, infos, config, registered, watch, interim)
        said += more
    tests = corrected_json(families, config.base, config.alpha)
    said += correction_warnings(families, tests)
    return plain_json(
        {
            "schema_version": SCHEMA_VERSION,
            "run": _run(table, run),
            "settings": settings,
            "families": families,
            "tests": tests,
            "warnings": [*said, *run.warnings],
        }
    )


def _know_systems(
    table: Table, given: Mapping[str, SystemInfo], base: str
) -> tuple[dict[str, SystemInfo], list[str]]:
    names = sorted({system for _, system, _ in table.cells})
    warnings = []
    if base not in names:
        warnings.append(f"no attempts of the base {base!r}; systems seen: {', '.join(names)}")
    known = {n: given[n] if n in given else guess_info(n, base) for n in names}
    for system in names:
        if given and system not in given:
            kind = f"an adapter of {base}" if known[system].base else "a model"
            warnings.append(f"{system} is not in the config: read as {kind}")
    return known, warnings


def _is_changed(table: Table, run: RunInfo) -> bool:
    """Whether records carry another config than the one at hand."""
    return run.hashes is not None and not set(table.configs) <= set(run.hashes)


def _table_warnings(table: Table, run: RunInfo) -> Iterator[str]:
    if _is_changed(table, run):
        yield (
            "not fixed before sampling: config.yaml was changed after sampling began; read this as "
            "exploratory, or bring the old config.yaml back"
        )
    elif not run.registered:
        yield "the settings were not fixed before sampling: read this as exploratory"
    if table.duplicates:
        yield f"{counted(table.duplicates, 'record')} came twice; the later one counts"
    if table.beyond:
        yield f"{counted(table.beyond, 'record')} beyond attempt {table.steps} left out"
    for family, kinds in table.graded.items():
        if len(kinds) > 1:
            yield f"{family}: some attempts were graded by answer, some by trace: not comparable"
    if len(table.configs) > 1:
        yield f"records of {len(table.configs)} configs: {', '.join(table.configs)}"


def _not_begun(table: Table, run: RunInfo) -> Iterator[str]:
    for family, attempts in run.asked.items():
        if attempts and family not in table.problems:
            yield f"{family}: no attempt is made yet, so nothing can be said of it"


def _run(table: Table, run: RunInfo) -> Json:
    try:
        version = metadata.version("forage-sampling")
    except metadata.PackageNotFoundError:
        version = "not installed"
    return {
        "name": run.name,
        "config_hash": ", ".join(table.configs),
        "attempts": table.records,
        "created": run.created or datetime.now(UTC).isoformat(timespec="seconds"),
        "forage_version": version,
        "embedded_model": run.embedded,
    }


def _settings(table: Table, config: AnalysisConfig, run: RunInfo, registered: bool) -> Json:
    return {
        "margin": config.margin,
        "alpha": config.alpha,
        "N": table.steps,
        "replicates": _replicates(table, config),
        "decoding": dict(run.decoding),
        "primary": {family: config.aggregator(family) for family in sorted(table.problems)},
        "resamples": config.resamples,
        "seed": config.seed,
        "base": config.base,
        "estimand": config.estimand,
        "design": vars(config.design),
        "stopping": vars(config.stopping) if config.stopping else None,
        "fixed_before_sampling": registered,
        "budget": run.budget,
        "graded": {family: " and ".join(sorted(kinds)) for family, kinds in table.graded.items()},
    }


def _replicates(table: Table, config: AnalysisConfig) -> int:
    replicates = max(cell.present.shape[1] for cell in table.cells.values())
    if config.estimand == "fixed" and replicates < 2:
        raise UsageError(
            "config: analyze.estimand 'fixed' needs at least 2 replicates (given: 1); "
            "set sample.replicates=2 and sample again, or analyze.estimand=superpopulation"
        )
    return replicates
