"""The verbs of training: train, pretrain."""

from pathlib import Path
from typing import Any

import click

from command.dry_run import (
    dry_run_of_training,
    expect_option,
    gpu_option,
    refuse_without_dry_run,
    throughput_option,
)
from command.options import verb


@verb
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V1,V2,..",
    help="Train every method once for each value of the key; repeatable, for all combinations.",
)
@throughput_option("by all GPUs", "default: from the bytes that decoding reads")
@gpu_option
@expect_option
@click.option("--dry-run", is_flag=True, help="Print memory, tokens and hours, and train nothing.")
def train(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    grid: tuple[str, ...],
    dry_run: bool,
    **assumed: Any,
) -> None:
    """Train the adapters: every method with every seed; ends with a table, also as training.csv.

    A cell of a grid is a method of its own, e.g. diverse-novelty0.5-learning_rate1e-3, so the run
    is sampled, analyzed and resumed like any other.

    \b
    Examples:
      forage train runs/demo --set workers=4
      forage train configs/demo.yaml -o runs/grid --grid train.learning_rate=1e-3,5e-4 \\
        --grid train.methods.diverse.rewards.countdown.novelty=0.5,1,2
      forage train configs/train/qwen3-8b.yaml --dry-run --gpu 79,312,2.0
      forage train configs/train/qwen3-8b.yaml --set train.hardware.processes=8
    """
    if dry_run:
        dry_run_of_training(target, out, overrides, grid, **assumed)
        return
    refuse_without_dry_run(**assumed)
    from experiment import begun
    from sample.progress import say
    from train.stage import check_training, show_training, train_adapters

    with begun(target, out, overrides, "sample", "train", grid=grid) as (experiment, work):
        config, training = experiment.section("sample"), experiment.section("train")
        check_training(work.folder, training, config)
        train_adapters(work, training, config)
        show_training(work.folder, training)
        say(f"trained: {', '.join(training.adapters)}; next: forage run {work.folder.path}")


@verb
def pretrain(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Train the small embedded model from scratch; the run folder is the model folder.

    Example: forage pretrain configs/pretrain/anchored.yaml -o models/anchored
    """
    from experiment import begun
    from train.stage import pretrain_model

    with begun(target, out, overrides, "pretrain") as (experiment, work):
        pretrain_model(work, experiment.section("pretrain"))
