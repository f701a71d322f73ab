"""The verb doctor."""

from pathlib import Path

import click

from command.options import set_option
from sample.errors import ForageError


@click.command
@click.argument(
    "target", metavar="[CONFIG_OR_RUN]", required=False, type=click.Path(path_type=Path)
)
@set_option
def doctor(target: Path | None, overrides: tuple[str, ...]) -> None:
    """Check this machine, and what a config needs of it: problems, models, keys, adapters.

    No weights are loaded and no token is generated. Exit code 1: something needed is missing.

    Examples: forage doctor; forage doctor configs/paper/gemini-aime2025.yaml
    """
    from rich.console import Console

    from experiment import checked
    from sample.doctor import examine_config, examine_machine, show_findings

    console, folder = Console(), Path("runs")
    wanted = [] if target is None else [checked(target, None, overrides, "sample")[0]]
    sound = show_findings(examine_machine(folder if folder.is_dir() else Path()), console)
    for experiment in wanted:
        sound &= show_findings(examine_config(experiment.section("sample")), console)
    if not sound:
        raise ForageError("something that is needed is missing; see the lines marked ✗")
