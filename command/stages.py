"""The stages that more than one verb works through, where sampling and analysis meet."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from analysis.until_decided import Watch
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
    """Make the missing attempts of the systems; until_decided: by the stopping rule, base first."""
    from sample.stage import make_attempts, problems_of

    config, upto = experiment.section("sample"), None
    if until_decided:
        upto = _sample_base(work, experiment, retry_failed)
        base = experiment.section("analyze").base
        systems = [system for system in systems if system.name != base]
    problems = problems_of(work.folder, config)
    make_attempts(work, config, systems, problems, upto=upto, retry_failed=retry_failed)


def _sample_base(work: "Run", experiment: "Experiment", retry_failed: bool) -> dict[str, int]:
    """Sample the base until the gap of every family is decided; how many problems that took."""
    from analysis.stopping import monitoring_order
    from analysis.until_decided import sample_until_decided
    from sample.config import config_systems
    from sample.progress import say
    from sample.stage import fix_order, make_attempts, problems_of

    config = experiment.section("sample")
    fix_order(work.folder, config, functools.partial(monitoring_order, seed=work.seed))
    base = [s for s in config_systems(config) if s.name == experiment.section("analyze").base]
    problems = problems_of(work.folder, config)
    first = iter([retry_failed])

    def make(upto: "Mapping[str, int]") -> None:
        again = next(first, False)
        make_attempts(work, config, base, problems, upto=upto, retry_failed=again)

    return sample_until_decided(lambda: _watched(experiment, work.folder), make, say)


def _watched(experiment: "Experiment", folder: "RunFolder") -> "dict[str, Watch]":
    """The families of a run under its stopping rule; none where none was followed."""
    from analysis.until_decided import watch_all
    from sample.runfolder import read_json
    from sample.store import read_attempts

    config, sample = experiment.analyze, experiment.sample
    if config is None or config.stopping is None or sample is None or not folder.order.exists():
        return {}
    attempts = read_attempts(folder.attempts) if folder.attempts.exists() else ()
    return watch_all(
        attempts,
        read_json(folder.order),
        config,
        steps=sample.attempts,
        replicates=sample.replicates,
        adapted=bool(sample.adapters) or experiment.train is not None,
    )


def summarize(
    experiment: "Experiment",
    folder: "RunFolder",
    attempts: "Iterable[Attempt] | None" = None,
    *,
    registered: bool,
    vectors: Path | None = None,
) -> None:
    """Write and print the summary of the attempts, which are in the folder if they are not given.

    registered, vectors: see ``analysis.stage.write_summary``.
    """
    from analysis.config import AnalysisConfig
    from analysis.stage import write_summary
    from experiment import system_infos
    from sample.asked import attempts_asked
    from sample.store import iterate_attempts

    config, systems = experiment.sample, system_infos(experiment)
    watched = _watched(experiment, folder)
    upto = {family: found.asked for family, found in watched.items()}
    write_summary(
        folder,
        iterate_attempts(folder.attempts) if attempts is None else attempts,
        experiment.analyze or AnalysisConfig(),
        config,
        systems,
        name=experiment.name,
        asked=attempts_asked(config, systems, upto or None) if config else {},
        registered=registered,
        hashes=folder.config_hashes() if attempts is None and folder.config.exists() else None,
        watched=watched,
        vectors=vectors,
    )


def report_on(folder: "RunFolder") -> None:
    """Write the report of a run, and say where it is."""
    from analysis.stage import write_report
    from sample.progress import say

    say(f"report: {write_report(folder)}")
