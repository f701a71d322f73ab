"""The command ``forage``: one verb per program, each resumes what an earlier call began."""

import importlib.util
import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sample.errors import ForageError, UsageError

if TYPE_CHECKING:
    from analysis.config import AnalysisConfig, SystemInfo
    from sample.config import SampleConfig, System
    from sample.problems import Problem
    from sample.runfolder import RunFolder
    from train.config import TrainConfig
    from train.pretrain.config import PretrainConfig

SECTIONS = ("sample", "train", "analyze", "pretrain")


@dataclass(frozen=True)
class Header:
    """name: of the default run folder. seed: every random number of sampling and training derives
    from it. workers: processes at work at a time; no result depends on it."""

    name: str
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        from sample.config import need

        legal = re.fullmatch(r"\w[\w.-]*", self.name)
        need(legal is not None, "name", "letters, digits, '.', '_' and '-'", self.name)
        need(self.workers >= 1, "workers", "1 or more", self.workers)


@dataclass(frozen=True)
class Experiment(Header):
    """One YAML file; a section that is not there is None and its verb refuses to run."""

    sample: "SampleConfig | None" = None
    train: "TrainConfig | None" = None
    analyze: "AnalysisConfig | None" = None
    pretrain: "PretrainConfig | None" = None

    @property
    def sampled(self) -> "SampleConfig":
        return _section(self.sample, "sample")

    @property
    def trained(self) -> "TrainConfig":
        return _section(self.train, "train")


def _section(section: Any, name: str) -> Any:
    if section is None:
        raise UsageError(f"config: this verb needs a section '{name}:'; see configs/ for examples")
    return section


def experiment_from(data: Mapping[str, Any]) -> Experiment:
    """The experiment of a YAML mapping, every section checked.

    Raises:
        UsageError: unknown keys, wrong types, or sections that do not fit each other.
    """
    from sample.config import SampleConfig, parse, refuse_unknown_keys

    refuse_unknown_keys(data, [f.name for f in fields(Experiment)], "")
    header = parse(Header, {k: v for k, v in data.items() if k not in SECTIONS}, "")
    given = {name: data[name] for name in SECTIONS if data.get(name) is not None}
    sections: dict[str, Any] = {}
    if "sample" in given:
        sections["sample"] = sample = parse(SampleConfig, given["sample"], "sample")
        given["analyze"] = {"base": _default_base(sample), **_mapping(given, "analyze")}
    for name, kind in _section_kinds(given).items():
        sections[name] = parse(kind, given[name], name)
    experiment = Experiment(header.name, header.seed, header.workers, **sections)
    _check(experiment)
    return experiment


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = given.get(name, {})
    if not isinstance(section, Mapping):
        raise UsageError(f"config: {name}: expected keys and values (given: {section!r})")
    return section


def _default_base(sample: "SampleConfig") -> str:
    return "base" if "base" in sample.models else next(iter(sample.models))


def _section_kinds(given: Mapping[str, Any]) -> dict[str, type]:
    kinds: dict[str, type] = {}
    if "train" in given:
        from train.config import TrainConfig

        kinds["train"] = TrainConfig
    if "analyze" in given:
        from analysis.config import AnalysisConfig

        kinds["analyze"] = AnalysisConfig
    if "pretrain" in given:
        from train.pretrain.config import PretrainConfig

        kinds["pretrain"] = PretrainConfig
    return kinds


def _check(experiment: Experiment) -> None:
    """What no section can check alone."""
    from sample.config import config_systems, find_model, need
    from sample.strategies import check_arms

    sample, train, analyze = experiment.sample, experiment.train, experiment.analyze
    if sample is None:
        need(train is None, "train", "a section 'sample' beside it", "none")
        return
    check_arms(sample.arms)
    if train is not None:
        find_model(sample, train.model, "train.model")
        for method in train.methods:
            legal = re.fullmatch(r"\w[\w.-]*", method)
            need(legal is not None, "train.methods", "letters, digits, '.', '_' and '-'", method)
    names = [system.name for system in config_systems(sample)]
    for name in trained_names(experiment):
        need(name not in names, "sample", "systems not named as a trained adapter", name)
        names.append(name)
    for arm, config in sample.arms.items():
        for name in config.systems or ():
            need(name in names, f"sample.arms.{arm}.systems", f"some of {', '.join(names)}", name)
    if analyze is not None:
        find_model(sample, analyze.base, "analyze.base")
        for family in analyze.primary:
            known = f"one of {', '.join(sample.problems)}"
            need(family in sample.problems, "analyze.primary", known, family)


def trained_names(experiment: Experiment) -> dict[str, tuple[str, int]]:
    """System name of each adapter to train -> its method and seed."""
    train = experiment.train
    if train is None:
        return {}
    return {f"{m}-s{seed}": (m, seed) for m in train.methods for seed in train.seeds}


def resolved(experiment: Experiment) -> dict[str, Any]:
    """The experiment as YAML data: every default written out, absent sections left out."""
    from sample.config import plain

    return {key: value for key, value in plain(experiment).items() if value is not None}


# --- from the command line to an experiment and its folder


def _read(
    target: Path, out: Path | None, overrides: tuple[str, ...], *, bare: bool = False
) -> tuple[dict[str, Any], "RunFolder"]:
    """The YAML data that a verb was given, and the run folder it means.

    bare: a folder without a config is taken too; its data is then its name alone.
    """
    from sample.config import override, read_yaml
    from sample.runfolder import RunFolder

    if not target.is_dir():
        data = read_yaml(target, overrides)
        return data, RunFolder(out or Path("runs") / str(data.get("name", "")))
    folder = RunFolder(target)
    if bare and not folder.config.exists():
        data = override({"name": re.sub(r"[^\w.-]", "-", target.resolve().name)}, overrides)
    else:
        data = read_yaml(folder.config, overrides)
    return data, RunFolder(out or target)


def _require_existing(folder: "RunFolder", target: Path) -> None:
    if not folder.path.is_dir():
        raise UsageError(f"no run folder {folder.path}; first: forage run {target}")


@dataclass(frozen=True)
class Run:
    """An experiment at work in its folder. hashed: its config hash."""

    experiment: Experiment
    folder: "RunFolder"
    hashed: str

    @property
    def out(self) -> str:
        return str(self.folder.path)


@contextmanager
def _at_work(
    target: Path, out: Path | None, overrides: tuple[str, ...], *needs: str
) -> Iterator[Run]:
    """Lock the run folder, begin or resume the run, and log an unexpected error there."""
    data, folder = _read(target, out, overrides)
    experiment = experiment_from(data)
    for name in needs:
        _section(getattr(experiment, name), name)
    with folder.locked():
        hashed = folder.open_run(resolved(experiment))
        with _logged(folder.error_log):
            yield Run(experiment, folder, hashed)


@contextmanager
def _logged(log: Path) -> Iterator[None]:
    try:
        yield
    except (ForageError, BrokenPipeError):
        raise
    except Exception as error:
        log.write_text(traceback.format_exc())
        what = " ".join(str(error).split())[:300]
        raise ForageError(f"{type(error).__name__}: {what} (traceback in {log})") from error


def _say(text: str) -> None:
    click.secho(text, bold=True, err=True)


# --- stages


def sample_stage(run: Run, systems: "list[System]") -> None:
    """Make the missing attempts of the systems."""
    from sample.provenance import environment, files_hash, problems_hash
    from sample.workers import load_all, sample_systems

    experiment, config = run.experiment, run.experiment.sampled
    systems = [system for system in systems if _has_arms(config, system)]
    if not systems:
        return
    _say(f"sample: {', '.join(system.name for system in systems)}")
    problems = load_all(config)
    hashes: dict[str, str | None] = {
        f"problems {f}": problems_hash(_family(problems, f)) for f in config.problems
    }
    for system in systems:
        hashes[f"model {system.base}"] = files_hash(system.model.path)
        if system.adapter is not None:
            hashes[f"adapter {system.name}"] = files_hash(system.adapter)
    run.folder.record(environment(experiment.workers), hashes)
    sample_systems(
        systems,
        config,
        problems,
        run.folder,
        seed=experiment.seed,
        workers=experiment.workers,
        hashed=run.hashed,
    )


def _has_arms(config: "SampleConfig", system: "System") -> bool:
    from sample.scheduler import arms_on

    return bool(arms_on(config, system.name))


def _family(problems: "list[Problem]", family: str) -> "list[Problem]":
    return [problem for problem in problems if problem.family == family]


def base_systems(run: Run) -> "list[System]":
    from sample.config import config_systems

    return config_systems(run.experiment.sampled)


def trained_systems(run: Run) -> "list[System]":
    """The adapters of the train section that are finished."""
    from sample.config import System

    names = trained_names(run.experiment)
    finished = [name for name in names if _is_trained(run, name)]
    if not finished:
        return []
    base = run.experiment.trained.model
    model = run.experiment.sampled.models[base]
    return [System(name, base, model, str(run.folder.adapter(name))) for name in finished]


def _is_trained(run: Run, name: str) -> bool:
    return (run.folder.adapter(name) / "done.json").exists()


def _untrained(run: Run) -> list[str]:
    return [name for name in trained_names(run.experiment) if not _is_trained(run, name)]


def train_stage(run: Run) -> None:
    """Train the missing adapters, each in its own process, ``workers`` at a time."""
    from sample.processes import run_jobs
    from sample.progress import Progress
    from sample.provenance import environment, files_hash

    experiment, train = run.experiment, run.experiment.trained
    missing = _untrained(run)
    if not missing:
        return
    _say(f"train: {', '.join(missing)}")
    path = experiment.sampled.models[train.model].path
    run.folder.record(environment(experiment.workers), {f"model {train.model}": files_hash(path)})
    with Progress("steps") as bars:
        for name in missing:
            bars.add(name, train.steps, min(train.steps, _steps_done(run, name)))

        def show() -> None:
            for name in missing:
                bars.update(name, min(train.steps, _steps_done(run, name)))

        jobs = [_training_job(run, name) for name in missing]
        run_jobs(jobs, experiment.workers, _say, show)
        show()


def _steps_done(run: Run, name: str) -> int:
    metrics = run.folder.adapter(name) / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def _training_job(run: Run, name: str) -> Any:
    from sample.processes import Job
    from sample.provenance import threads_each

    experiment, sample = run.experiment, run.experiment.sampled
    method, seed = trained_names(experiment)[name]
    arguments = {
        "model": sample.models[experiment.trained.model],
        "problems": sample.problems,
        "decoding": sample.decoding,
        "attempts": sample.attempts,
        "config": experiment.trained,
        "method": method,
        "seed": seed,
        "folder": run.folder.adapter(name),
        "run_seed": experiment.seed,
    }
    threads = threads_each(experiment.workers)
    log = run.folder.log(f"train-{name}")
    return Job(f"training of {name}", _train, (arguments,), log, threads)


def _train(send: Callable[[str], None], arguments: dict[str, Any]) -> None:
    """The training process; what it warns of goes to the user, all else to its log."""
    from train.grpo import train_adapter

    warnings.showwarning = lambda message, *_: send(str(message))
    warnings.filterwarnings("ignore", message="(?!train: |model )")
    train_adapter(**arguments)


def _check_training(run: Run) -> None:
    """Refuse what could not be trained before hours of sampling."""
    train, sample = run.experiment.trained, run.experiment.sampled
    if not _untrained(run):
        return
    for package in ("accelerate", "datasets", "trl"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"training needs the package {package}: pip install 'forage-sampling[train]'"
            )
    from train.checks import check_settings

    check_settings(train, list(sample.problems), sample.models[train.model], sample.decoding)


def analyze_stage(experiment: Experiment, folder: "RunFolder", registered: bool) -> None:
    """Write and print the summary. registered: its settings were fixed before sampling."""
    from analysis.config import AnalysisConfig
    from analysis.summary import summarize
    from analysis.terminal import print_summary
    from sample.config import plain
    from sample.runfolder import write_json
    from sample.store import read_attempts

    sample = experiment.sample
    attempts = read_attempts(folder.attempts)
    summary = summarize(
        attempts,
        experiment.analyze or AnalysisConfig(),
        system_infos(experiment),
        steps=sample.attempts if sample else None,
        name=experiment.name,
        decoding=plain(sample.decoding) if sample else None,
        registered=registered,
    )
    summary["run"]["embedded_model"] = _is_embedded(sample)
    summary["warnings"] += _missing_attempts(experiment, len(attempts))
    write_json(folder.summary, summary)
    print_summary(summary)


def _is_registered(experiment: Experiment, folder: "RunFolder") -> bool:
    """Whether the analysis has the settings the run was begun with.

    Raises:
        UsageError: anything else in the config differs from the run's.
    """
    from sample.config import read_yaml
    from sample.runfolder import refuse_other_config

    if not folder.config.exists():
        return False
    before, now = read_yaml(folder.config), resolved(experiment)
    settings = before.pop("analyze", None)
    same = settings == now.pop("analyze", None)
    refuse_other_config(folder.path, before, now)
    return same


def system_infos(experiment: Experiment) -> "dict[str, SystemInfo]":
    """What the analysis must know of each system of the config."""
    from analysis.config import SystemInfo
    from sample.config import config_systems

    if experiment.sample is None:
        return {}
    infos = {
        system.name: SystemInfo(system.name, system.base, system.name)
        if system.adapter
        else SystemInfo(system.name)
        for system in config_systems(experiment.sample)
    }
    for name, (method, seed) in trained_names(experiment).items():
        infos[name] = SystemInfo(name, experiment.trained.model, method, seed)
    return infos


def _is_embedded(sample: "SampleConfig | None") -> bool:
    from sample.runfolder import read_json

    configs = (
        [Path(model.path) / "config.json" for model in sample.models.values()] if sample else []
    )
    return any(read_json(path).get("forage_embedded", False) for path in configs if path.exists())


def _missing_attempts(experiment: Experiment, made: int) -> list[str]:
    from sample.scheduler import arms_on

    sample = experiment.sample
    if sample is None:
        return []
    problems = sum(problems.count for problems in sample.problems.values())
    arms = sum(len(arms_on(sample, system)) for system in system_infos(experiment))
    asked = problems * sample.replicates * sample.attempts * arms
    missing = f"{asked - made} of {asked} attempts are not made yet; forage run goes on with them"
    return [missing] if made < asked else []


def report_stage(folder: "RunFolder") -> None:
    """Write report.html from summary.json and the training metrics."""
    from analysis.report.page import write_report
    from sample.runfolder import read_json

    if not folder.summary.exists():
        raise UsageError(f"{folder.path} has no summary.json; first: forage analyze {folder.path}")
    write_report(read_json(folder.summary), folder.path, _metrics(folder))
    _say(f"report: {folder.path / 'report.html'}")


def _metrics(folder: "RunFolder") -> dict[str, list[dict[str, Any]]]:
    """Adapter -> one row per training step."""
    import json

    rows = {}
    for path in sorted(folder.path.glob("adapters/*/metrics.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        rows[path.parent.name] = [json.loads(line) for line in lines if line.endswith("\n")]
    return rows


# --- the command


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from sample.provenance import forage_version

        click.echo(f"forage {forage_version()}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Measure, explain and close the gap between parallel and sequential sampling.

    One YAML file is one experiment; its run folder holds all results. A command that was cut off,
    by Ctrl-C or in any other way, goes on where it was when it is given again.

    Exit codes: 0 done, 1 failed, 2 bad usage or config, 130 interrupted.
    """


def _verb(function: Callable[..., None]) -> click.Command:
    """A verb on CONFIG_OR_RUN; its docstring is its help."""
    for decorator in (
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE",
                     help="Change a key of the config, e.g. sample.attempts=4; repeatable."),
        click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR",
                     help="Run folder; default runs/NAME, with the name in the config."),
        click.argument("target", metavar="CONFIG_OR_RUN", type=click.Path(path_type=Path)),
    ):  # fmt: skip
        function = decorator(function)
    return cli.command(function)


@_verb
def run(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Do everything in a config: sample, train, sample again, analyze, report.

    CONFIG_OR_RUN is a YAML file or an existing run folder.

    Example: forage run configs/demo.yaml -o runs/demo
    """
    with _at_work(target, out, overrides, "sample") as work:
        if work.experiment.train is not None:
            _check_training(work)
        sample_stage(work, base_systems(work))
        if work.experiment.train is not None:
            train_stage(work)
            sample_stage(work, trained_systems(work))
        analyze_stage(work.experiment, work.folder, registered=True)
        report_stage(work.folder)


@_verb
def sample(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Make the attempts of every model and finished adapter.

    Example: forage sample configs/demo.yaml --set sample.replicates=1
    """
    with _at_work(target, out, overrides, "sample") as work:
        ready = [*base_systems(work), *trained_systems(work)]
        sample_stage(work, ready)
        if untrained := _untrained(work):
            _say(f"not trained yet: {', '.join(untrained)}; next: forage train {work.out}")


@_verb
def train(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Train the adapters: every method with every seed.

    Example: forage train runs/demo --set workers=4
    """
    with _at_work(target, out, overrides, "sample", "train") as work:
        _check_training(work)
        train_stage(work)
        _say(f"trained: {', '.join(trained_names(work.experiment))}; next: forage run {work.out}")


@_verb
def pretrain(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Train the small embedded model from scratch; the run folder is the model folder.

    Example: forage pretrain configs/pretrain/anchored.yaml -o models/anchored
    """
    with _at_work(target, out, overrides, "pretrain") as work:
        from sample.provenance import environment
        from train.pretrain.run import run as train_model

        work.folder.record(environment(1), {})
        _say(f"pretrain: {work.out}")
        train_model(_section(work.experiment.pretrain, "pretrain"), work.folder.path)


@_verb
def analyze(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Estimate gaps and verdicts from the records; needs no model.

    Settings that differ from those the run was begun with are marked as exploratory. A folder
    that holds only attempts.jsonl can be analyzed too.

    Example: forage analyze runs/demo --set analyze.margin=0.05
    """
    data, folder = _read(target, out, overrides, bare=True)
    _require_existing(folder, target)
    experiment = experiment_from(data)
    with _logged(folder.error_log):
        analyze_stage(experiment, folder, _is_registered(experiment, folder))


@_verb
def report(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Write report.html from summary.json.

    Example: forage report runs/demo
    """
    if overrides:
        raise UsageError("report takes no --set; give it to forage analyze, then report again")
    _, folder = _read(target, out, (), bare=True)
    _require_existing(folder, target)
    with _logged(folder.error_log):
        report_stage(folder)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command; every error is one line on stderr."""
    try:
        sys.exit(cli.main(arguments, prog_name="forage", standalone_mode=False) or 0)
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "forage"
        _fail(f"{error.format_message()} (see: {verb} --help)", 2)
    except ForageError as error:
        _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; the same command goes on from here", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        log = Path(tempfile.gettempdir()) / "forage-error.log"
        log.write_text(traceback.format_exc())
        _fail(f"{type(error).__name__}: {error} (traceback in {log})", 1)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"error: {' '.join(text.split())}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
