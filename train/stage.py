"""The training stages of a run: LoRA adapters, and the embedded model."""

import importlib.util
import warnings
from collections.abc import Sequence
from pathlib import Path

from sample.config import SampleConfig, System
from sample.errors import UsageError
from sample.models import trainable
from sample.processes import Job, Send, run_jobs
from sample.progress import Progress, say
from sample.provenance import environment, files_hash, threads_each
from sample.run import Run
from sample.runfolder import RunFolder
from train.config import CHECKPOINTS, DONE, SAMPLED, TrainConfig
from train.pretrain.config import PretrainConfig
from train.task import Task


def untrained(folder: RunFolder, config: TrainConfig) -> list[str]:
    """The adapters that are not finished yet."""
    return [name for name in config.adapters if not _is_trained(folder, name)]


def _is_trained(folder: RunFolder, name: str) -> bool:
    return (folder.adapter(name) / DONE).exists()


def trained_systems(folder: RunFolder, config: TrainConfig, sample: SampleConfig) -> list[System]:
    """The finished adapters, each on its model."""
    model = sample.models[config.model]
    return [
        System(name, config.model, model, str(folder.adapter(name)))
        for name in config.adapters
        if _is_trained(folder, name)
    ]


def check_training(folder: RunFolder, config: TrainConfig, sample: SampleConfig) -> None:
    """Refuse what could not be trained before hours of sampling.

    Raises:
        UsageError: a package is missing, or settings that cannot be trained.
    """
    missing = {config.adapters[name][0] for name in untrained(folder, config)}
    if not missing:
        return
    for package in ("accelerate", "datasets", "trl"):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"training needs the package {package}: pip install 'forage-sampling[train]'"
            )
    from sample.engines.loading import load_tokenizer
    from train.checks import check_hardware, check_template
    from train.encoder import check_encoder
    from train.recorded import recorded_of
    from train.settings import refuse_untrainable

    to_train = [method for method in config.methods if method in missing]
    model, replays = refuse_untrainable(config, sample, to_train)
    for method, replay in replays.items():
        found = recorded_of(replay, model, config, method, sample.attempts)
        if found:
            chosen, run = config.methods[method], config.methods[method].recorded
            every = {id(one.attempt) for one in found}
            learned = {id(one.attempt) for one in found if one.learned}
            count = f"{len(learned)} {chosen.learn} of {len(every)}"
            say(f"train: {method} learns {count} attempts in {run}")
    check_hardware(config, model)
    if config.encoder is not None:
        check_encoder(config.encoder)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_template(load_tokenizer(model.path), model.chat_template)
    for warning in said:
        say(str(warning.message))


def train_adapters(run: Run, config: TrainConfig, sample: SampleConfig) -> None:
    """Train the missing adapters, each in its own process, ``run.workers`` at a time.

    Raises:
        UsageError: the model or the encoder has changed since the run began.
        ForageError: a training process failed; the same call goes on from its last checkpoint.
    """
    missing = untrained(run.folder, config)
    if not missing:
        return
    say(f"train: {', '.join(missing)}")
    path = trainable(sample.models[config.model], "train.model").path
    hashes = {f"model {config.model}": files_hash(path)}
    if config.encoder is not None:
        hashes[f"encoder {config.encoder}"] = files_hash(config.encoder)
    run.folder.record(environment(run.workers), hashes)
    with Progress("steps") as bars:
        files = _bars(run.folder, config, missing)
        for name, (path, steps) in files.items():
            bars.add(name, steps, min(steps, _lines(path) or 0))

        def show() -> None:
            for name, (path, steps) in files.items():
                # A finished training has no drawn attempts any more.
                if (lines := _lines(path)) is not None:
                    bars.update(name, min(steps, lines))

        for some in config.rounds(missing):
            jobs = [_training_job(run, config, sample, name) for name in some]
            run_jobs(jobs, run.workers, say, show)
        show()


def _bars(
    folder: RunFolder, config: TrainConfig, adapters: Sequence[str]
) -> dict[str, tuple[Path, int]]:
    """Name of each bar -> a file that has a line for each step, and how many steps there will be.

    Algorithm sft has a bar for the drawing that comes before the learning.
    """
    bars = {}
    for name in adapters:
        method, at = config.adapters[name][0], folder.adapter(name)
        steps = config.of(method).steps
        if config.methods[method].algorithm == "sft" and config.methods[method].recorded is None:
            bars[f"{name}, drawn"] = at / CHECKPOINTS / SAMPLED, steps
        bars[name] = at / "metrics.jsonl", steps
    return bars


def show_training(folder: RunFolder, config: TrainConfig) -> None:
    """Print what came of every adapter, and write it to training.csv."""
    from rich.console import Console

    from train.table import show_table, training_table, write_table

    rows = training_table(folder, config)
    if rows:
        show_table(rows, Console())
        write_table(folder.path / "training.csv", rows)


def _lines(path: Path) -> int | None:
    """None where there is no file."""
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return None


def _training_job(run: Run, config: TrainConfig, sample: SampleConfig, name: str) -> Job:
    method, seed = config.adapters[name]
    model = trainable(sample.models[config.model], "train.model")
    task = Task(
        model, sample.problems, sample.decoding, sample.attempts, config, method, seed, run.seed
    )
    given = (task, run.folder.adapter(name))
    log = run.folder.log(f"train-{name}")
    return Job(f"training of {name}", _train, given, log, threads_each(run.workers))


def _train(send: Send, task: Task, folder: Path) -> None:
    """The training process; what it warns of goes to the user, all else to its log, what
    ``check_training`` has said too."""
    hardware = task.config.hardware
    if hardware.processes > 1:
        from train.checks import on_gpu
        from train.launch import train_in_processes

        train_in_processes(task, folder, on_gpu(task.model), send)
        return
    from train.adapter import train_adapter

    warnings.showwarning = lambda message, *_: send(str(message))
    warnings.filterwarnings("ignore", message="(?!train: )")
    train_adapter(task, folder)


def pretrain_model(run: Run, config: PretrainConfig) -> None:
    """Train the embedded model from scratch; the run folder becomes the model folder."""
    from train.pretrain.run import run as train_model

    run.folder.record(environment(1), {})
    say(f"pretrain: {run.folder.path}")
    train_model(config, run.folder.path)
