"""The command ``forage``: one verb per program, each resumes what an earlier call began."""

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import click

from command.analysis import analyze, export, report
from command.doctor import doctor
from command.planning import plan, recommend
from command.probe import probe
from command.sampling import run, sample
from command.training import pretrain, train
from sample.errors import ForageError

VERBS = (run, sample, train, pretrain, analyze, report, export, plan, recommend, probe, doctor)


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from sample.provenance import forage_version

        click.echo(f"forage {forage_version()}")
        context.exit()


@click.group(commands=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
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
