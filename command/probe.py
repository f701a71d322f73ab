"""The verb that shows where adapters move copying."""

from pathlib import Path
from typing import Any

import click

from command.stages import report_on
from sample.errors import UsageError


@click.command
@click.argument("target", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--problems",
    type=click.IntRange(1),
    default=100,
    metavar="N",
    help="Problems of each family, the first in a hashed order; default 100.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1),
    default=8,
    metavar="M",
    help="Attempts after each history; default 8.",
)
@click.option(
    "--depth",
    "depths",
    type=click.IntRange(1),
    multiple=True,
    default=(1, 3, 7),
    metavar="K",
    help="Answers a history holds; repeatable; default 1, 3 and 7.",
)
def probe(target: Path, **options: Any) -> None:
    """Copies, attention and log-probabilities of base and adapters after the same histories.

    Histories are the base's own first K answers in the run. The numbers are explained in
    docs/probes.md; they go to the terminal, to probes.json, and to report.html if there is one.

    \b
    Examples:
      forage probe runs/demo
      forage probe runs/demo --problems 30 --attempts 4 --depth 2 --depth 5
    """
    from rich.console import Console

    from analysis.probes import probes_json
    from analysis.probes_shown import show_probes
    from experiment import experiment_from
    from sample.config import config_systems
    from sample.probe_prefixes import find_prefixes
    from sample.probes import ProbeConfig
    from sample.probing import left_out, make_probes
    from sample.run import find_existing_run, logged
    from sample.runfolder import write_json
    from sample.stage import problems_of
    from sample.store import iterate_attempts
    from train.stage import trained_systems, untrained

    data, folder = find_existing_run(target, None)
    experiment = experiment_from(data)
    config, training = experiment.section("sample"), experiment.train
    if training and (missing := untrained(folder, training)):
        raise UsageError(f"not trained yet: {', '.join(missing)}; first: forage train {target}")
    trained = trained_systems(folder, training, config) if training else []
    analyze, settings = experiment.section("analyze"), ProbeConfig(seed=experiment.seed, **options)
    systems = [s for s in (*config_systems(config), *trained) if s.base == analyze.base]
    with logged(folder.error_log):
        prefixes = find_prefixes(
            iterate_attempts(folder.attempts),
            problems_of(folder, config), config, analyze.base, settings,
        )  # fmt: skip
        probes = make_probes(systems, prefixes, config.decoding, settings)
        found = probes_json(probes, settings, analyze.alpha, left_out(systems[0]))
        write_json(folder.probes, found)
        show_probes(found, Console())
        click.echo(f"probes: {folder.probes}")
        if (folder.path / "report.html").exists():
            report_on(folder)
