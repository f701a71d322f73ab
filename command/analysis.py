"""The verbs of the analysis: analyze, report, export; records are all they need."""

from pathlib import Path
from typing import Any

import click

from command.options import out_option, set_option, verb
from command.several import analyze_runs, split_label
from command.stages import report_on, summarize
from sample.errors import UsageError


@click.command
@click.argument(
    "targets", metavar="RUN_OR_FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@out_option
@set_option
@click.option(
    "--columns",
    "maps",
    multiple=True,
    metavar="NAME=COLUMN,...",
    help="Which column of a table holds what, e.g. problem=id,answer=pred,correct=ok.",
)
@click.option(
    "--attempts",
    type=int,
    metavar="N",
    help="Deal the attempts of a problem into groups of N; default: all in one.",
)
@click.option("--threshold", type=float, help="The grade from which an attempt is correct.")
@click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    metavar="FILE.npy",
    help="Embeddings of the traces of a run, a row per line of attempts.jsonl; adds how far apart "
    "they lie.",
)
@click.option("--scorer", help="Which scorer of an inspect_ai log grades.")
@click.option("--metric", help="Which metric of lm-evaluation-harness grades.")
@click.option("--filter", help="Which filter of lm-evaluation-harness counts.")
def analyze(
    targets: tuple[Path, ...],
    out: Path | None,
    overrides: tuple[str, ...],
    vectors: Path | None,
    **reading: Any,
) -> None:
    """Estimate gaps and verdicts from the records; needs no model.

    RUN is a run folder, or a folder that holds only attempts.jsonl. Settings that differ from
    those the run was begun with are marked as exploratory.

    Several runs are read as one, about the base of the first; the summary and the report go to
    -o DIR, default runs/NAME-joined, with the name of the first. Where runs have systems of the
    same name, NAME=RUN calls those of a run NAME-base and so on.

    FILES were made by others: a table with a row per attempt (CSV, JSONL, Parquet), or a log of
    inspect_ai (.eval, .json), lm-evaluation-harness (samples_*.jsonl) or verifiers (results.jsonl,
    traces.jsonl). Several files are read as one. The summary and the report go to -o DIR, default
    runs/NAME, with the name of the first file.

    \b
    Examples:
      forage analyze runs/demo --set analyze.margin=0.05
      forage analyze small=runs/1.7b large=runs/8b -o runs/sizes
      forage analyze tries.csv --columns problem=id,answer=pred,correct=ok,arm=mode,step=turn
      forage analyze logs/*.eval --scorer match -o runs/aime

    Columns: problem, correct (1, 0 or empty = not graded), answer, canonical (equal for equal
    answers), family, arm (parallel, sequential, ..), system, replicate, step, finish (stop, length,
    error), text, thinking, prompt_tokens, cached_tokens, thinking_tokens, generated_tokens,
    seconds, score (chooses the best of N), weight (of a vote) or entropy (of a mean token, the
    inverse of a weight). Only the first two are needed; a column of such a name needs no map.
    """
    from analysis.foreign import is_foreign

    foreign = [target for target in targets if is_foreign(split_label(target)[1])]
    if foreign and len(foreign) < len(targets):
        run = next(target for target in targets if target not in foreign)
        raise UsageError(
            f"analyze reads runs or files, not both at once (given: run {run}, file "
            f"{foreign[0]}); give each kind alone"
        )
    if foreign:
        if vectors is not None:
            raise UsageError("--vectors goes with a run, whose attempts have an order; not files")
        _analyze_files(targets, out, overrides, **reading)
        return
    if any(value not in (None, ()) for value in reading.values()):
        raise UsageError(
            "only --set, --vectors and -o go with a run; --columns and its like are for files"
        )
    if len(targets) == 1:
        _analyze_run(targets[0], out, overrides, vectors)
        return
    if vectors is not None:
        raise UsageError(f"--vectors goes with one run (given: {len(targets)})")
    analyze_runs(targets, out, overrides)


def _analyze_run(
    target: Path, out: Path | None, overrides: tuple[str, ...], vectors: Path | None
) -> None:
    from experiment import experiment_from, is_registered
    from sample.run import find_existing_run, logged

    data, folder = find_existing_run(target, out, overrides)
    experiment = experiment_from(data)
    with logged(folder.error_log):
        registered = is_registered(experiment, folder)
        summarize(experiment, folder, registered=registered, vectors=vectors)


def _analyze_files(
    paths: tuple[Path, ...],
    out: Path | None,
    overrides: tuple[str, ...],
    maps: tuple[str, ...],
    **reading: Any,
) -> None:
    from analysis.foreign.columns import parse_columns
    from analysis.foreign.read import ForeignConfig, read_foreign
    from experiment import experiment_of_files
    from sample.run import folder_for_files, logged

    found = read_foreign(paths, ForeignConfig(parse_columns(maps), **reading))
    attempts = found.attempts
    experiment = experiment_of_files(paths, attempts, overrides)
    folder = folder_for_files(out or Path("runs") / experiment.name)
    with logged(folder.error_log):
        summarize(experiment, folder, attempts, registered=False, notes=found.notes)
        report_on(folder)


@verb
def report(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Write report.html from summary.json.

    Example: forage report runs/demo
    """
    from sample.run import find_existing_run, logged

    if overrides:
        raise UsageError("report takes no --set; give it to forage analyze, then report again")
    _, folder = find_existing_run(target, out)
    with logged(folder.error_log):
        report_on(folder)


@click.command
@click.argument("target", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE_OR_DIR",
    help="A file NAME.parquet, or a folder that becomes a Hugging Face dataset.",
)
def export(target: Path, out: Path) -> None:
    """Write the attempts of a run as a Parquet table or a Hugging Face dataset.

    Examples: forage export runs/demo -o attempts.parquet; forage export runs/demo -o dataset/
    """
    from analysis.foreign.export import export_run
    from sample.run import find_existing_run

    _, folder = find_existing_run(target, None)
    click.echo(f"attempts: {export_run(folder.path, out)}")
