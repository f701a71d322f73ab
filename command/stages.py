"""The stages that more than one verb works through, where sampling and analysis meet."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analysis.config import SystemInfo
    from analysis.watch import Watch
    from experiment import Experiment
    from sample.config import System
    from sample.records import Attempt
    from sample.run import Run
    from sample.runfolder import RunFolder


def sample_systems(
    work: "Run",
    experiment: "Experiment",
    systems: "Sequence[System]",
    *,
    retry_failed: bool,
    until_decided: bool,
) -> None:
    """Make the missing attempts of the systems.

    until_decided: of the models and adapters of the config too, as far as the stopping rule asks;
    those that it watches come first.
    """
    from sample.config import config_systems
    from sample.stage import make_attempts, problems_of

    config, upto = experiment.section("sample"), None
    if until_decided:
        known = {system.name: system for system in (*config_systems(config), *systems)}
        adapters = _watched_adapters(experiment, known)
        names = {experiment.section("analyze").base, *adapters}
        names |= {info.base for info in adapters.values() if info.base}
        first = [system for name, system in known.items() if name in names]
        upto = _sample_watched(work, experiment, first, adapters, retry_failed)
        systems = [system for name, system in known.items() if name not in names]
    problems = problems_of(work.folder, config)
    make_attempts(work, config, systems, problems, upto=upto, retry_failed=retry_failed)


def _sample_watched(
    work: "Run",
    experiment: "Experiment",
    systems: "Sequence[System]",
    adapters: "Mapping[str, SystemInfo]",
    retry_failed: bool,
) -> dict[str, int]:
    """Sample until every family is decided; gives how many problems of each that took.

    systems: the base, the adapters, and the models that these sit on.
    """
    from analysis.stopping import monitoring_order
    from analysis.until_decided import sample_until_decided
    from sample.progress import say
    from sample.stage import fix_order, make_attempts, problems_of

    config = experiment.section("sample")
    fix_order(work.folder, config, functools.partial(monitoring_order, seed=work.seed))
    problems = problems_of(work.folder, config)
    first = iter([retry_failed])

    def make(upto: "Mapping[str, int]") -> None:
        again = next(first, False)
        make_attempts(work, config, systems, problems, upto=upto, retry_failed=again)

    return sample_until_decided(lambda: _watched(experiment, work.folder, adapters), make, say)


def _watched_adapters(experiment: "Experiment", names: "Iterable[str]") -> "dict[str, SystemInfo]":
    """Those of these systems that are adapters, and have a gap as their base has."""
    from analysis.config import PARALLEL, SEQUENTIAL
    from experiment import system_infos
    from sample.asked import arms_on

    config, infos = experiment.section("sample"), system_infos(experiment)

    def has_gap(system: str) -> bool:
        return {PARALLEL, SEQUENTIAL} <= arms_on(config, system).keys()

    return {
        name: info
        for name in names
        if (info := infos.get(name)) and info.base and has_gap(name) and has_gap(info.base)
    }


def _watched(
    experiment: "Experiment",
    folder: "RunFolder",
    adapters: "Mapping[str, SystemInfo] | None" = None,
) -> "dict[str, Watch]":
    """The families of a run under its stopping rule; none where none was followed.

    adapters: that are watched; None = those that have attempts.
    """
    from analysis.until_decided import watch_all
    from sample.runfolder import read_json
    from sample.store import read_attempts

    config, sample = experiment.analyze, experiment.sample
    if config is None or config.stopping is None or sample is None or not folder.order.exists():
        return {}
    attempts = read_attempts(folder.attempts) if folder.attempts.exists() else []
    if adapters is None:
        adapters = _watched_adapters(experiment, sorted({a.system for a in attempts}))
    return watch_all(
        attempts,
        read_json(folder.order),
        config,
        adapters,
        steps=sample.attempts,
        replicates=sample.replicates,
    )


def summarize(
    experiment: "Experiment",
    folder: "RunFolder",
    attempts: "Iterable[Attempt] | None" = None,
    *,
    registered: bool,
    vectors: Path | None = None,
    notes: "Sequence[str]" = (),
) -> None:
    """Write and print the summary of the attempts, which are in the folder if they are not given.

    registered: see ``analysis.config.RunInfo``. vectors: see ``analysis.stage.write_summary``.
    notes: further warnings.
    """
    from analysis.config import AnalysisConfig, RunInfo
    from analysis.stage import write_summary
    from experiment import system_infos
    from sample.asked import attempts_asked
    from sample.store import iterate_attempts

    config, systems = experiment.sample, system_infos(experiment)
    watched = _watched(experiment, folder)
    upto = {family: found.asked for family, found in watched.items()}
    run = RunInfo(
        experiment.name,
        asked=attempts_asked(config, systems, upto or None) if config else {},
        registered=registered,
        hashes=folder.config_hashes() if attempts is None and folder.config.exists() else None,
        warnings=notes,
    )
    write_summary(
        folder,
        iterate_attempts(folder.attempts) if attempts is None else attempts,
        experiment.analyze or AnalysisConfig(),
        config,
        systems,
        run,
        watched=watched,
        vectors=vectors,
    )


def report_on(folder: "RunFolder") -> None:
    """Write the report of a run, and say where it is."""
    from analysis.stage import write_report
    from sample.progress import say

    say(f"report: {write_report(folder)}")
