"""``forage analyze`` of several runs, read as one study."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.joint import Part
    from experiment import Experiment
    from sample.config import SampleConfig
    from sample.runfolder import RunFolder

_COMPARED = ("attempts", "budget", "decoding", "arms")
"""Keys of the section ``sample`` whose difference between runs may make their gaps differ."""


def analyze_runs(targets: Sequence[Path], out: Path | None, overrides: tuple[str, ...]) -> None:
    """Write the summary and the report of several runs together.

    targets: run folders, each bare or as NAME=FOLDER.

    Raises:
        UsageError: no such run, or systems that cannot be told apart.
    """
    from analysis.config import RunInfo
    from analysis.joint import joint_settings, refuse_collisions, shared_problems
    from analysis.stage import write_summary
    from command.stages import report_on
    from sample.run import folder_for_files, logged

    runs = [_find(target, overrides) for target in targets]
    parts = [_part(*run) for run in runs]
    refuse_collisions(parts)
    experiments = [experiment for _, experiment, _ in runs]
    config, agree = joint_settings(parts)
    begun = agree and all(_as_begun(experiment, folder) for _, experiment, folder in runs)
    stopped = [folder.path for _, _, folder in runs if folder.order.exists()]
    name = f"{experiments[0].name}-joined"
    target = folder_for_files(out or Path("runs") / name)
    run = RunInfo(
        name,
        asked=_asked(runs),
        registered=begun and not stopped,
        hashes=_hashes(runs),
        warnings=[*shared_problems(parts), *_notes(experiments, parts, agree, stopped)],
    )
    with logged(target.error_log):
        write_summary(
            target,
            (attempt for part in parts for attempt in part.attempts()),
            config,
            _joint_sample(runs),
            {name: info for part in parts for name, info in part.infos().items()},
            run,
        )
        report_on(target)


def split_label(target: Path) -> tuple[str, Path]:
    """NAME=RUN as (NAME, RUN); a path that is there, or has no '=', has no name."""
    label, _, path = ("", "", str(target)) if target.exists() else str(target).rpartition("=")
    return label, Path(path)


Found = tuple[str, "Experiment", "RunFolder"]


def _find(target: Path, overrides: tuple[str, ...]) -> Found:
    from experiment import experiment_from
    from sample.errors import need
    from sample.run import find_existing_run, folder_name

    label, path = split_label(target)
    legal = label == (folder_name(label) if label else "")
    need(legal, str(target), "letters, digits, '.', '_' and '-' before '='", label, of="analyze")
    data, folder = find_existing_run(path, None, overrides)
    return label, experiment_from(data), folder


def _part(label: str, experiment: "Experiment", folder: "RunFolder") -> "Part":
    from analysis.config import AnalysisConfig
    from analysis.joint import Part
    from experiment import system_infos
    from sample.store import iterate_attempts

    return Part(
        str(folder.path),
        label,
        lambda: iterate_attempts(folder.attempts),
        experiment.analyze or AnalysisConfig(),
        system_infos(experiment),
        _identities(experiment, folder),
    )


def _identities(experiment: "Experiment", folder: "RunFolder") -> dict[str, Any]:
    """The hash of each system's weights; where there is none, what the config says of them."""
    from sample.config import config_systems, plain
    from sample.models import without_idle_keys

    hashes = folder.read_manifest()["hashes"]
    found: dict[str, Any] = {}
    if experiment.sample is not None:
        for system in config_systems(experiment.sample):
            kind = "adapter" if system.adapter else "model"
            told = system.adapter or without_idle_keys(plain(system.model))
            found[system.name] = hashes.get(f"{kind} {system.name}") or told
    for name in experiment.train.adapters if experiment.train else ():
        found[name] = hashes.get(f"adapter {name}") or f"trained in {folder.path.resolve()}"
    return found


def _as_begun(experiment: "Experiment", folder: "RunFolder") -> bool:
    from experiment import is_registered

    return is_registered(experiment, folder)


def _joint_sample(runs: Sequence[Found]) -> "SampleConfig | None":
    """The first section ``sample``, with the models of all and the length that all chains have."""
    found = [(label, e.sample) for label, e, _ in runs if e.sample is not None]
    if not found:
        return None
    models = {
        f"{label}-{name}" if label else name: model
        for label, sample in found
        for name, model in sample.models.items()
    }
    steps = min(sample.attempts for _, sample in found)
    return replace(found[0][1], models=models, attempts=steps)


def _hashes(runs: Sequence[Found]) -> set[str] | None:
    """What records of these configs carry; None where a run has no config."""
    folders = [folder for _, _, folder in runs]
    if not all(folder.config.exists() for folder in folders):
        return None
    return {carried for folder in folders for carried in folder.config_hashes()}


def _asked(runs: Sequence[Found]) -> dict[str, int]:
    """Family -> the attempts that the runs shall have; one that followed a stopping rule is left
    out, as it has all that it asks for."""
    from experiment import system_infos
    from sample.asked import attempts_asked

    asked: Counter[str] = Counter()
    for _, experiment, folder in runs:
        if experiment.sample is not None and not folder.order.exists():
            asked.update(attempts_asked(experiment.sample, system_infos(experiment)))
    return dict(asked)


def _notes(
    experiments: Sequence["Experiment"],
    parts: Sequence["Part"],
    agree: bool,
    stopped: Sequence[Path],
) -> list[str]:
    said = [] if agree else ["the analyze settings of the runs differ; those of the first are used"]
    said += [
        f"{path} was sampled --until-decided; only forage analyze {path} has the intervals that "
        "hold after such a stop"
        for path in stopped
    ]
    said += [
        f"{parts[i].name} was sampled otherwise than {parts[0].name}: sample.{key} is {new!r}, not "
        f"{old!r}; differences between their systems may be due to that"
        for i, experiment in enumerate(experiments)
        for key, old, new in _differences(experiments[0], experiment)
    ]
    return said


def _differences(one: "Experiment", other: "Experiment") -> list[tuple[str, Any, Any]]:
    """The first difference under each compared key; arms of one run alone are none."""
    from sample.runfolder import first_difference

    if one.sample is None or other.sample is None:
        return []
    both = sorted(one.sample.arms.keys() & other.sample.arms.keys())
    old, new = (_as_sampled(sample, both) for sample in (one.sample, other.sample))
    pairs = [({key: old[key]}, {key: new[key]}) for key in _COMPARED]
    return [first_difference(*pair) for pair in pairs if pair[0] != pair[1]]


def _as_sampled(sample: "SampleConfig", arms: Sequence[str]) -> dict[str, Any]:
    """The section in plain words with these arms alone, their options with all defaults."""
    from sample.config import plain
    from sample.strategies import arm_options

    full = {
        name: replace(sample.arms[name], options=plain(arm_options(name, sample.arms[name])))
        for name in arms
    }
    return plain(replace(sample, arms=full))
