"""The verbs that make attempts: run, sample."""

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from command.dry_run import (
    dry_run_of_sampling,
    expect_option,
    price_option,
    refuse_without_dry_run,
    throughput_option,
)
from command.options import verb
from command.stages import report_on, sample_systems, summarize
from sample.errors import UsageError

_OPTIONS = (
    click.option(
        "--retry-failed",
        is_flag=True,
        help="Make attempts again that failed for a passing reason, such as a time-out, and those "
        "that were made from them; grade again what could not be graded.",
    ),
    click.option(
        "--until-decided",
        is_flag=True,
        help="Stop sampling a family once the rule in analyze.stopping, fixed before sampling, has "
        "decided whether the base has a gap, and the verdict on every adapter.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print the calls and tokens of the whole config, and make nothing.",
    ),
    click.option(
        "--budget",
        type=click.IntRange(1),
        metavar="TOKENS",
        help="Tokens per problem: most that a chain, or parallel group, generates; sample.budget. "
        "sample.attempts stays the most attempts of it.",
    ),
    expect_option,
    price_option,
    throughput_option("in all", "adds hours"),
)


def _samples(function: Callable[..., None], *, trains: bool) -> Callable[..., None]:
    """The options of a verb that makes attempts, and its dry run. trains: it makes adapters too."""

    @wraps(function)
    def sampling(target: Path, out: Path | None, overrides: tuple[str, ...], **given: Any) -> None:
        dry, budget = given.pop("dry_run"), given.pop("budget")
        assumed = {name: given.pop(name) for name in ("expect", "price", "throughput")}
        if dry and given["until_decided"]:
            raise UsageError("--dry-run counts every problem; leave --until-decided out of it")
        if dry and given["retry_failed"]:
            raise UsageError("--dry-run counts every attempt; leave --retry-failed out of it")
        if budget is not None:
            overrides += (f"sample.budget={budget}",)
        if dry:
            dry_run_of_sampling(target, out, overrides, trains=trains, **assumed)
        else:
            refuse_without_dry_run(**assumed)
            function(target, out, overrides, **given)

    for option in reversed(_OPTIONS):
        sampling = option(sampling)
    return sampling


@verb
@partial(_samples, trains=True)
def run(target: Path, out: Path | None, overrides: tuple[str, ...], **how: bool) -> None:
    """Do everything in a config: sample, train, sample again, analyze, report.

    CONFIG_OR_RUN is a YAML file or an existing run folder.

    \b
    Examples:
      forage run configs/demo.yaml -o runs/demo
      forage run configs/demo.yaml --budget 400 --set sample.attempts=32
      forage run configs/paper/gemini-aime2025.yaml --dry-run --price 0.3,2.5
    """
    from experiment import begun
    from sample.config import config_systems
    from train.stage import check_training, train_adapters, trained_systems

    with begun(target, out, overrides, "sample", stops=how["until_decided"]) as (experiment, work):
        config, training = experiment.section("sample"), experiment.train
        if training is not None:
            check_training(work.folder, training, config)
        sample_systems(work, experiment, config_systems(config), **how)
        if training is not None:
            train_adapters(work, training, config)
            sample_systems(work, experiment, trained_systems(work.folder, training, config), **how)
        summarize(experiment, work.folder, registered=True)
        report_on(work.folder)


def _list_strategies(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from sample.strategies.catalogue import catalogue

        click.echo("\n\n".join(str(row) for row in catalogue()))
        context.exit()


@verb
@click.option(
    "--list-strategies",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_strategies,
    help="Show every strategy with its rule and options, and exit.",
)
@partial(_samples, trains=False)
def sample(target: Path, out: Path | None, overrides: tuple[str, ...], **how: bool) -> None:
    """Make the attempts of every model and finished adapter.

    \b
    Examples:
      forage sample configs/demo.yaml --set sample.replicates=1
      forage sample configs/paper/qwen3-aime2025.yaml --dry-run --throughput 2000
      forage sample runs/demo --retry-failed
      forage sample my.yaml --until-decided
    """
    from experiment import begun
    from sample.config import config_systems
    from sample.progress import say
    from train.stage import trained_systems, untrained

    with begun(target, out, overrides, "sample", stops=how["until_decided"]) as (experiment, work):
        config, training = experiment.section("sample"), experiment.train
        trained = trained_systems(work.folder, training, config) if training else []
        systems = [*config_systems(config), *trained]
        sample_systems(work, experiment, systems, **how)
        if training and (missing := untrained(work.folder, training)):
            say(f"not trained yet: {', '.join(missing)}; next: forage train {work.folder.path}")
