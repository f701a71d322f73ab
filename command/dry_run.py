"""Dry runs: their options, and what sampling and training would take."""

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from sample.errors import UsageError

expect_option = click.option(
    "--expect",
    type=int,
    metavar="TOKENS",
    help="Dry run: tokens an attempt generates; default half of max_new_tokens.",
)


def throughput_option(whose: str, use: str) -> Any:
    return click.option(
        "--throughput",
        type=click.FloatRange(0, min_open=True),
        metavar="TOKENS",
        help=f"Dry run: tokens generated a second {whose}; {use}.",
    )


def _gpu(_: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    from train.gpu import GIB, Gpu

    if text is None:
        return None
    try:
        memory, flops, bandwidth = (float(part) for part in text.split(","))
        if not all(0 < number < math.inf for number in (memory, flops, bandwidth)):
            raise ValueError
    except ValueError:
        raise click.BadParameter(
            f"expected three numbers such as 79,312,2.0 (given: {text})", param=parameter
        ) from None
    return Gpu(round(memory * GIB), flops * 1e12, bandwidth * 1e12)


gpu_option = click.option(
    "--gpu",
    callback=_gpu,
    metavar="GIB,TFLOPS,TB/S",
    help="Dry run: memory of a GPU, and its peaks of dense bfloat16 products and of memory; "
    "default 79,989,3.35, an H100 of 80 GB; an A100 of 80 GB has 79,312,2.0.",
)


def _price(_: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    try:
        prompt, generated = (float(part) for part in text.split(","))
        if not (0 <= prompt < math.inf and 0 <= generated < math.inf):
            raise ValueError
    except ValueError:
        raise click.BadParameter(
            f"expected two numbers such as 0.3,2.5 (given: {text})", param=parameter
        ) from None
    return prompt, generated


price_option = click.option(
    "--price",
    callback=_price,
    metavar="IN,OUT",
    help="Dry run: price of a million prompt and generated tokens; adds costs.",
)


def refuse_without_dry_run(**assumed: Any) -> None:
    """
    Raises:
        UsageError: an option of a dry run was given.
    """
    if any(value is not None for value in assumed.values()):
        *names, last = (f"--{name}" for name in assumed)
        raise UsageError(f"{', '.join(names)} and {last} belong to --dry-run; add it")


def dry_run_of_sampling(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    *,
    trains: bool,
    expect: int | None,
    price: tuple[float, float] | None,
    throughput: float | None,
) -> None:
    """Print the calls and tokens of a config. trains: adapters that are not there yet count too."""
    from rich.console import Console

    from experiment import checked
    from sample.config import config_systems
    from sample.dry_run import expected, expected_lengths
    from sample.dry_run_shown import Rates, show_dry_run
    from train.stage import trained_systems

    experiment, folder = checked(target, out, overrides, "sample")
    config, training = experiment.section("sample"), experiment.train
    systems = [system.name for system in config_systems(config)]
    if training is not None:
        finished = [system.name for system in trained_systems(folder, training, config)]
        systems += training.adapters if trains else finished
    lengths, console = expected_lengths(config, expect), Console()
    rows = expected(config, systems, lengths)
    contexts = _contexts(config, training)
    show_dry_run(rows, lengths, Rates(price, throughput), console, contexts)
    if training is not None and trains:
        console.print("The training of the adapters is not counted.")


def _contexts(config: Any, training: Any) -> dict[str, int]:
    """System -> tokens of its context, where that can be known without a network."""
    from sample.config import config_systems
    from train.architectures import architecture

    found = {}
    for name, model in config.models.items():
        given = getattr(model, "arguments", {}).get("max_model_len")
        if isinstance(given, int) and given > 0:
            found[name] = given
        elif model.weights:
            with suppress(UsageError):
                found[name] = architecture(model.weights).context
    bases = {system.name: system.base for system in config_systems(config)}
    bases |= dict.fromkeys(training.adapters if training else (), training and training.model)
    return {name: found[base] for name, base in bases.items() if base in found}


def dry_run_of_training(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    grid: tuple[str, ...],
    *,
    expect: int | None,
    throughput: float | None,
    gpu: Any,
) -> None:
    """Print the parameters, memory, tokens and hours of the training of a config."""
    from rich.console import Console

    from experiment import checked
    from sample.dry_run import expected_lengths
    from train.dry_run import training_cost
    from train.dry_run_shown import show_training_cost
    from train.gpu import H100
    from train.settings import refuse_untrainable

    experiment, _ = checked(target, out, overrides, "sample", "train", grid=grid)
    config, training = experiment.section("sample"), experiment.section("train")
    refuse_untrainable(training, config, training.methods)
    lengths = expected_lengths(config, expect)
    cost = training_cost(training, config, lengths, gpu or H100, throughput)
    show_training_cost(cost, throughput, Console())
