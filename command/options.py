"""Options that verbs share."""

from collections.abc import Callable
from pathlib import Path

import click

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the config, e.g. sample.attempts=4; repeatable.",
)
out_option = click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run folder; default runs/NAME, with the name in the config.",
)


def verb(function: Callable[..., None]) -> click.Command:
    """A verb on CONFIG_OR_RUN; its docstring is its help."""
    target = click.argument("target", metavar="CONFIG_OR_RUN", type=click.Path(path_type=Path))
    return click.command(target(out_option(set_option(function))))
