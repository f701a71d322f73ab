"""From attempt records to ``summary.json`` (schema in docs/summary.md)."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.causes import causes_json
from analysis.comparisons import adapter_json, methods_json, model_json
from analysis.config import AnalysisConfig, SystemInfo, guess_info
from analysis.corrections import corrected_json, correction_warnings
from analysis.equal_compute import equal_compute_json
from analysis.inference import Inference, infer
from analysis.interim import interim_json
from analysis.levels import system_json
from analysis.numbers import SCHEMA_VERSION, Json, gap_json, plain_json
from analysis.study import Key, Study, build_study
from analysis.table import Table, build_table
from analysis.unsettled import unsettled_json
from analysis.until_decided import Watch, stopping_json
from analysis.verdict import terms_of
from analysis.words import capitalized, counted
from sample.errors import UsageError
from sample.records import Attempt


def summarize(
    attempts: Iterable[Attempt],
    config: AnalysisConfig,
    systems: Mapping[str, SystemInfo] | None = None,
    *,
    steps: int | None = None,
    name: str = "",
    decoding: Mapping[str, Any] | None = None,
    budget: int | None = None,
    registered: bool = True,
    asked: Mapping[str, int] | None = None,
    hashes: Collection[str] | None = None,
    embedded: bool = False,
    warnings: Sequence[str] = (),
    watched: Mapping[str, Watch] | None = None,
    vectors: NDArray[np.float64] | None = None,
    created: str | None = None,
) -> Json:
    """The summary of a run, ready for ``json.dumps``; an undefined number is None.

    systems: what each system of the records is; one that is not named is judged by its name.
    steps: the chain length N of the run; None = the largest step in the records.
    decoding: shown in the report. budget: of tokens for each chain, None = without one.
    registered: the settings were fixed before sampling; if not, CLOSED is never said. asked:
    family -> attempts that the run shall have, as far as known; with fewer it is interim.
    hashes: those that records of this config carry; with any other, the config was changed after
    sampling began, so the settings were not fixed. None = not known. embedded:
    the model is the toolkit's own small one. warnings: further ones to carry. watched: the
    families that a stopping rule ends. vectors: [attempt, dimension] of their traces
    (``analysis.embeddings``). created: ISO time; None = now.

    Raises:
        UsageError: no records, or a fixed-benchmark verdict asked of a single replicate.
    """
    table = build_table(attempts, steps)
    infos, said = _know_systems(table, systems or {}, config.base)
    changed = hashes is not None and not set(table.configs) <= set(hashes)
    registered = registered and not changed
    said += _table_warnings(table, registered, changed)
    replicates = _replicates(table, config)
    withheld = None if registered else "the settings were not fixed before sampling"
    families: Json = {}
    for family in sorted(table.problems):
        study = build_study(
            table, family, infos, config.base, config.aggregator(family), vectors=vectors
        )
        watch = (watched or {}).get(family)
        interim = interim_json(table, family, (asked or {}).get(family, 0), watch)
        families[family], more = _family(study, infos, config, withheld, watch, table, interim)
        said += [*study.warnings, *more]
    tests = corrected_json(families, config.base, config.alpha)
    said += correction_warnings(families, tests)
    return plain_json(
        {
            "schema_version": SCHEMA_VERSION,
            "run": {**_run(table, name, created), "embedded_model": embedded},
            "settings": {
                **_settings(table, config, replicates, decoding, registered),
                "budget": budget,
            },
            "families": families,
            "tests": tests,
            "warnings": [*said, *warnings],
        }
    )


def _replicates(table: Table, config: AnalysisConfig) -> int:
    replicates = max(cell.present.shape[1] for cell in table.cells.values())
    if config.estimand == "fixed" and replicates < 2:
        raise UsageError(
            "config: analyze.estimand 'fixed' needs at least 2 replicates (given: 1); "
            "set sample.replicates=2 and sample again, or analyze.estimand=superpopulation"
        )
    return replicates


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


def _table_warnings(table: Table, registered: bool, changed: bool) -> list[str]:
    warnings = []
    if changed:
        warnings.append(
            "not fixed before sampling: config.yaml was changed after sampling began; read this as "
            "exploratory, or bring the old config.yaml back"
        )
    elif not registered:
        warnings.append("the settings were not fixed before sampling: read this as exploratory")
    if table.duplicates:
        warnings.append(f"{counted(table.duplicates, 'record')} came twice; the later one counts")
    if table.beyond:
        warnings.append(f"{counted(table.beyond, 'record')} beyond attempt {table.steps} left out")
    if len(table.configs) > 1:
        warnings.append(f"records of {len(table.configs)} configs: {', '.join(table.configs)}")
    return warnings


def _run(table: Table, name: str, created: str | None) -> Json:
    try:
        version = metadata.version("forage-sampling")
    except metadata.PackageNotFoundError:
        version = "not installed"
    return {
        "name": name,
        "config_hash": ", ".join(table.configs),
        "attempts": table.records,
        "created": created or datetime.now(UTC).isoformat(timespec="seconds"),
        "forage_version": version,
    }


def _settings(
    table: Table,
    config: AnalysisConfig,
    replicates: int,
    decoding: Mapping[str, Any] | None,
    registered: bool,
) -> Json:
    return {
        "margin": config.margin,
        "alpha": config.alpha,
        "N": table.steps,
        "replicates": replicates,
        "decoding": dict(decoding or {}),
        "primary": {family: config.aggregator(family) for family in sorted(table.problems)},
        "resamples": config.resamples,
        "seed": config.seed,
        "base": config.base,
        "estimand": config.estimand,
        "design": vars(config.design),
        "stopping": vars(config.stopping) if config.stopping else None,
        "fixed_before_sampling": registered,
    }


def _family(
    study: Study,
    infos: Mapping[str, SystemInfo],
    config: AnalysisConfig,
    withheld: str | None,
    watch: Watch | None,
    table: Table,
    interim: Json | None,
) -> tuple[Json, list[str]]:
    primary = config.aggregator(study.family)
    problems = table.problems[study.family]
    # The ordinary intervals of whatever was sampled for as long as an outcome asked are too narrow.
    terms = terms_of(config, partial(watch.interval, problems=problems) if watch else None)
    inferred = infer(study.contrasts, config)
    if interim and not withheld:
        withheld = f"only {interim['made']} of {interim['asked']} attempts are made"
    unsettled = unsettled_json(study, infos, primary, terms)
    adapters = {
        name: adapter_json(
            study, infos[name], inferred, primary, terms, unsettled.get(name), withheld
        )
        for name in study.systems
        if infos[name].base is not None
    }
    models = {
        name: model_json(study, name, inferred, primary, terms)
        for name in study.systems
        if infos[name].base is None and name != config.base
    }
    if interim:
        for entry in (*adapters.values(), *models.values()):
            entry["reason"] = f"{capitalized(interim['label'])}. {entry['reason']}"
    controls = {
        key[1]: {"system": config.base, "difference": gap_json(found)}
        for key, found in inferred.items()
        if key[0] == "control"
    }
    summary = {
        "n_problems": study.problems,
        "primary": primary,
        "stopping": stopping_json(watch) if watch else None,
        "interim": interim,
        "unsettled": unsettled,
        "systems": {name: system_json(study, name, inferred, config) for name in study.systems},
        "equal_compute": equal_compute_json(study, config),
        "adapters": adapters,
        "models": models,
        "methods": methods_json(study, adapters, infos, config),
        "controls": controls,
        "attribution": {
            name: causes_json(study, name, config)
            for name in study.systems
            if name == config.base or config.design.context in study.arms(name)
        },
    }
    return summary, _straddles(study, inferred, config)


def _straddles(
    study: Study, inferred: Mapping[Key, Inference], config: AnalysisConfig
) -> list[str]:
    """Primary contrasts on which the two p values disagree: the larger one counts."""
    primary = config.aggregator(study.family)
    return [
        f"{study.family}: {' '.join(key[:-1])}: t and sign-flip p straddle {config.alpha:g} "
        f"({found.p_t:.3f}, {found.p_flip:.3f}); the verdict goes by t, so read it with care"
        for key, found in inferred.items()
        if key[0] in ("gap", "did")
        and key[-1] == primary
        and (found.p_t < config.alpha) != (found.p_flip < config.alpha)
        and not math.isnan(found.p_t)
    ]
