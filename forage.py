"""The command ``forage``: one verb per program, each resumes what an earlier call began."""

import functools
import math
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sample.errors import ForageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analysis.until_decided import Watch
    from experiment import Experiment
    from sample.config import System
    from sample.run import Run
    from sample.runfolder import RunFolder


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


_set = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the config, e.g. sample.attempts=4; repeatable.",
)
_out = click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run folder; default runs/NAME, with the name in the config.",
)


def _verb(function: Callable[..., None]) -> click.Command:
    """A verb on CONFIG_OR_RUN; its docstring is its help."""
    target = click.argument("target", metavar="CONFIG_OR_RUN", type=click.Path(path_type=Path))
    return cli.command(target(_out(_set(function))))


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


def _samples(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a verb that makes attempts."""

    @functools.wraps(function)
    def verb(target: Path, out: Path | None, overrides: tuple[str, ...], **options: Any) -> None:
        dry = options.pop("dry_run")
        given = {name: options.pop(name) for name in ("expect", "price", "throughput")}
        if dry and options["until_decided"]:
            raise UsageError("--dry-run counts every problem; leave --until-decided out of it")
        if (budget := options.pop("budget")) is not None:
            overrides += (f"sample.budget={budget}",)
        if dry:
            _dry_run(target, out, overrides, trains=function.__name__ == "run", **given)
        elif any(value is not None for value in given.values()):
            raise UsageError("--expect, --price and --throughput belong to --dry-run; add it")
        else:
            function(target, out, overrides, **options)

    for decorator in (
        click.option("--throughput", type=click.FloatRange(0, min_open=True), metavar="TOKENS",
                     help="Dry run: tokens generated a second in all; adds hours."),
        click.option("--price", callback=_price, metavar="IN,OUT",
                     help="Dry run: price of a million prompt and generated tokens; adds costs."),
        click.option("--expect", type=int, metavar="TOKENS",
                     help="Dry run: tokens an attempt generates; default half of max_new_tokens."),
        click.option("--budget", type=click.IntRange(1), metavar="TOKENS",
                     help="Tokens per problem: most that a chain, or parallel group, generates; "
                          "sample.budget. sample.attempts stays the most attempts of it."),
        click.option("--dry-run", is_flag=True,
                     help="Print the calls and tokens of the whole config, and make nothing."),
        click.option("--until-decided", is_flag=True,
                     help="Stop sampling a family once the rule in analyze.stopping, fixed before "
                          "sampling, has decided whether the base has a gap."),
        click.option("--retry-failed", is_flag=True,
                     help="Make attempts again that failed for a passing reason, such as a "
                          "time-out, and those that were made from them."),
    ):  # fmt: skip
        verb = decorator(verb)
    return verb


def _dry_run(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    *,
    trains: bool,
    expect: int | None,
    price: tuple[float, float] | None,
    throughput: float | None,
) -> None:
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
    show_dry_run(rows, lengths, Rates(price, throughput), console)
    if training is not None and trains:
        console.print("The training of the adapters is not counted.")


@_verb
@_samples
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
        _make_attempts(work, experiment, config_systems(config), **how)
        if training is not None:
            train_adapters(work, training, config)
            _make_attempts(work, experiment, trained_systems(work.folder, training, config), **how)
        _summarize(experiment, work.folder, registered=True)
        _report(work.folder)


def _list_strategies(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from sample.strategies.catalogue import catalogue

        click.echo("\n\n".join(str(row) for row in catalogue()))
        context.exit()


@_verb
@click.option(
    "--list-strategies",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_strategies,
    help="Show every strategy with its rule and options, and exit.",
)
@_samples
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
        _make_attempts(work, experiment, systems, **how)
        if training and (missing := untrained(work.folder, training)):
            say(f"not trained yet: {', '.join(missing)}; next: forage train {work.folder.path}")


@_verb
@click.option(
    "--grid",
    multiple=True,
    metavar="KEY=V1,V2,..",
    help="Train every method once for each value of the key; repeatable, for all combinations.",
)
@click.option(
    "--throughput",
    type=click.FloatRange(0, min_open=True),
    metavar="TOKENS",
    help="Dry run: tokens generated a second by all GPUs; adds hours.",
)
@click.option(
    "--expect",
    type=int,
    metavar="TOKENS",
    help="Dry run: tokens an attempt generates; default half of max_new_tokens.",
)
@click.option(
    "--dry-run", is_flag=True, help="Print parameters, memory and tokens, and train nothing."
)
def train(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    grid: tuple[str, ...],
    dry_run: bool,
    expect: int | None,
    throughput: float | None,
) -> None:
    """Train the adapters: every method with every seed; ends with a table, also as training.csv.

    A cell of a grid is a method of its own, e.g. diverse-novelty0.5-learning_rate1e-3, so the run
    is sampled, analyzed and resumed like any other.

    \b
    Examples:
      forage train runs/demo --set workers=4
      forage train configs/demo.yaml -o runs/grid --grid train.learning_rate=1e-3,5e-4 \\
        --grid train.methods.diverse.rewards.countdown.novelty=0.5,1,2
      forage train configs/train/qwen3-8b.yaml --dry-run --throughput 20000
      forage train configs/train/qwen3-8b.yaml --set train.hardware.processes=8
    """
    if dry_run:
        _dry_training(target, out, overrides, grid, expect, throughput)
        return
    if expect is not None or throughput is not None:
        raise UsageError("--expect and --throughput belong to --dry-run; add it")
    from experiment import begun
    from sample.progress import say
    from train.stage import check_training, show_training, train_adapters

    with begun(target, out, overrides, "sample", "train", grid=grid) as (experiment, work):
        config, training = experiment.section("sample"), experiment.section("train")
        check_training(work.folder, training, config)
        train_adapters(work, training, config)
        show_training(work.folder, training)
        say(f"trained: {', '.join(training.adapters)}; next: forage run {work.folder.path}")


def _dry_training(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    grid: tuple[str, ...],
    expect: int | None,
    throughput: float | None,
) -> None:
    from rich.console import Console

    from experiment import checked
    from sample.dry_run import expected_lengths
    from sample.dry_run_shown import Rates
    from train.dry_run import training_cost
    from train.dry_run_shown import show_training_cost

    experiment, _ = checked(target, out, overrides, "sample", "train", grid=grid)
    config, training = experiment.section("sample"), experiment.section("train")
    lengths = expected_lengths(config, expect)
    cost = training_cost(training, config, lengths)
    show_training_cost(cost, training, lengths, Rates(throughput=throughput), Console())


@_verb
def pretrain(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Train the small embedded model from scratch; the run folder is the model folder.

    Example: forage pretrain configs/pretrain/anchored.yaml -o models/anchored
    """
    from experiment import begun
    from train.stage import pretrain_model

    with begun(target, out, overrides, "pretrain") as (experiment, work):
        pretrain_model(work, experiment.section("pretrain"))


@cli.command
@click.argument(
    "targets", metavar="RUN_OR_FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@_out
@_set
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

    FILES were made by others: a table with a row per attempt (CSV, JSONL, Parquet), or a log of
    inspect_ai (.eval, .json), lm-evaluation-harness (samples_*.jsonl) or verifiers (results.jsonl,
    traces.jsonl). Several files are read as one. The summary and the report go to -o DIR, default
    runs/NAME, with the name of the first file.

    \b
    Examples:
      forage analyze runs/demo --set analyze.margin=0.05
      forage analyze tries.csv --columns problem=id,answer=pred,correct=ok,arm=mode,step=turn
      forage analyze logs/*.eval --scorer match -o runs/aime

    Columns: problem, correct (1, 0 or empty = not graded), answer, canonical (equal for equal
    answers), family, arm (parallel, sequential, ..), system, replicate, step, finish (stop, length,
    error), text, thinking, prompt_tokens, cached_tokens, thinking_tokens, generated_tokens,
    seconds, score (chooses the best of N), weight (of a vote) or entropy (of a mean token, the
    inverse of a weight). Only the first two are needed; a column of such a name needs no map.
    """
    from analysis.foreign.read import is_foreign

    if any(is_foreign(target) for target in targets):
        if vectors is not None:
            raise UsageError("--vectors goes with a run, whose attempts have an order; not files")
        _analyze_files(targets, out, overrides, **reading)
        return
    if any(value not in (None, ()) for value in reading.values()):
        raise UsageError(
            "only --set, --vectors and -o go with a run; --columns and its like are for files"
        )
    if len(targets) != 1:
        raise UsageError(f"analyze takes one run at a time (given: {len(targets)})")
    _analyze_run(targets[0], out, overrides, vectors)


def _analyze_run(
    target: Path, out: Path | None, overrides: tuple[str, ...], vectors: Path | None
) -> None:
    from experiment import experiment_from
    from sample.run import find_existing_run, logged

    data, folder = find_existing_run(target, out, overrides)
    experiment = experiment_from(data)
    with logged(folder.error_log):
        _summarize(experiment, folder, _is_registered(experiment, folder), vectors)


def _analyze_files(
    paths: tuple[Path, ...],
    out: Path | None,
    overrides: tuple[str, ...],
    maps: tuple[str, ...],
    **reading: Any,
) -> None:
    from rich.console import Console

    from analysis.config import AnalysisConfig
    from analysis.foreign.columns import parse_columns
    from analysis.foreign.diagnosis import diagnose, show_diagnosis
    from analysis.foreign.read import ForeignConfig, read_foreign
    from analysis.stage import write_summary
    from experiment import experiment_of_files
    from sample.run import folder_for_files, logged

    attempts = read_foreign(paths, ForeignConfig(parse_columns(maps), **reading))
    experiment = experiment_of_files(paths, (a.system for a in attempts), overrides)
    folder = folder_for_files(out or Path("runs") / experiment.name)
    show_diagnosis(diagnose(attempts), Console())
    with logged(folder.error_log):
        write_summary(
            folder,
            attempts,
            experiment.analyze or AnalysisConfig(),
            None,
            {},
            name=experiment.name,
            asked=0,
            registered=False,
        )
        _report(folder)


@_verb
def report(target: Path, out: Path | None, overrides: tuple[str, ...]) -> None:
    """Write report.html from summary.json.

    Example: forage report runs/demo
    """
    from sample.run import find_existing_run, logged

    if overrides:
        raise UsageError("report takes no --set; give it to forage analyze, then report again")
    _, folder = find_existing_run(target, out)
    with logged(folder.error_log):
        _report(folder)


@cli.command
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


@cli.command
@click.argument("pilot", metavar="[RUN]", required=False, type=click.Path(path_type=Path))
@click.option("--between", type=float, help="Variance of the true gap over problems.")
@click.option("--within", type=float, help="Variance of the gap of one replicate.")
@click.option("--gap", type=float, help="Expected gap, e.g. 0.1; default: the pilot's.")
@click.option("--closed", type=float, default=1.0, help="Share of it that is to close; default 1.")
@click.option("--power", type=float, default=0.8, help="Wanted for each claim; default 0.8.")
@click.option("--available", type=int, help="Number of problems there are.")
def plan(pilot: Path | None, between: float | None, within: float | None, **options: Any) -> None:
    """Problems and replicates that a claim needs, from a pilot run or from stated variances.

    Examples: forage plan runs/demo --closed 0.9; forage plan --between 0.04 --within 0.2 --gap 0.1
    """
    from rich.console import Console

    from analysis.config import AnalysisConfig
    from analysis.plan import PlanConfig, run_plan
    from analysis.plan_shown import save_plan_figure, show_plan
    from experiment import experiment_from
    from sample.run import find_existing_run
    from sample.store import read_attempts

    analyze, attempts, config = AnalysisConfig(), None, PlanConfig(**options)
    if pilot is not None:
        data, folder = find_existing_run(pilot, None)
        analyze = experiment_from(data).analyze or analyze
        attempts = read_attempts(folder.attempts)
    plans = run_plan(attempts, config, analyze, between=between, within=within)
    show_plan(plans, Console())
    if pilot is not None:
        click.echo(f"figure: {save_plan_figure(plans, pilot)}")


@cli.command
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--budget", type=float, metavar="TOKENS", help="Tokens per problem; default: a range of them."
)
@click.option(
    "--cost", default="generated", help="generated, total, cached or latency; default generated."
)
@click.option("--verifier", is_flag=True, help="A checker can pick a correct attempt.")
def recommend(runs: tuple[Path, ...], **options: Any) -> None:
    """Width, depth, adapter and aggregator to run at a budget, from finished runs.

    Example: forage recommend runs/demo --budget 400
    """
    from rich.console import Console

    from analysis.config import AnalysisConfig
    from analysis.recommend import RecommendConfig, run_recommend
    from analysis.recommend_shown import show_recommend
    from experiment import experiment_from
    from sample.run import find_existing_run
    from sample.store import read_attempts

    found = [find_existing_run(run, None) for run in runs]
    attempts = [attempt for _, folder in found for attempt in read_attempts(folder.attempts)]
    analyze = experiment_from(found[0][0]).analyze or AnalysisConfig()
    config = RecommendConfig(base=analyze.base, alpha=analyze.alpha, seed=analyze.seed, **options)
    show_recommend(run_recommend(attempts, config), Console())


@cli.command
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
            _report(folder)


@cli.command
@click.argument(
    "target", metavar="[CONFIG_OR_RUN]", required=False, type=click.Path(path_type=Path)
)
@_set
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


def _is_registered(experiment: "Experiment", folder: "RunFolder") -> bool:
    from analysis.stage import is_registered
    from experiment import experiment_from, resolved
    from sample.config import read_yaml

    if not folder.config.exists():
        return False
    # Resolved anew: a run begun before an option existed was begun with its default.
    begun = resolved(experiment_from(read_yaml(folder.config)))
    return is_registered(folder, begun, resolved(experiment))


def _make_attempts(
    work: "Run",
    experiment: "Experiment",
    systems: "Sequence[System]",
    *,
    retry_failed: bool,
    until_decided: bool,
) -> None:
    from sample.stage import make_attempts, problems_of

    config, upto = experiment.section("sample"), None
    if until_decided:
        upto = _sample_base(work, experiment, retry_failed)
        base = experiment.section("analyze").base
        systems = [system for system in systems if system.name != base]
    problems = problems_of(work.folder, config)
    make_attempts(work, config, systems, problems, upto=upto, retry_failed=retry_failed)


def _sample_base(work: "Run", experiment: "Experiment", retry_failed: bool) -> dict[str, int]:
    """Sample the base until the gap of every family is decided; how many problems that took."""
    from analysis.stopping import monitoring_order
    from analysis.until_decided import sample_until_decided
    from sample.config import config_systems
    from sample.progress import say
    from sample.stage import fix_order, make_attempts, problems_of

    config = experiment.section("sample")
    fix_order(work.folder, config, functools.partial(monitoring_order, seed=work.seed))
    base = [s for s in config_systems(config) if s.name == experiment.section("analyze").base]
    problems = problems_of(work.folder, config)
    again = [retry_failed]

    def make(upto: "Mapping[str, int]") -> None:
        retry, again[0] = again[0], False
        make_attempts(work, config, base, problems, upto=upto, retry_failed=retry)

    return sample_until_decided(lambda: _watched(experiment, work.folder), make, say)


def _watched(experiment: "Experiment", folder: "RunFolder") -> "dict[str, Watch]":
    """The families of a run under its stopping rule; none where none was followed."""
    from analysis.until_decided import watch_all
    from sample.runfolder import read_json
    from sample.store import read_attempts

    config, sample = experiment.analyze, experiment.sample
    if config is None or config.stopping is None or sample is None or not folder.order.exists():
        return {}
    attempts = read_attempts(folder.attempts) if folder.attempts.exists() else ()
    sizes = {"steps": sample.attempts, "replicates": sample.replicates}
    return watch_all(attempts, read_json(folder.order), config, **sizes)


def _summarize(
    experiment: "Experiment", folder: "RunFolder", registered: bool, vectors: Path | None = None
) -> None:
    from analysis.config import AnalysisConfig
    from analysis.stage import write_summary
    from experiment import system_infos
    from sample.stage import attempts_asked
    from sample.store import iterate_attempts

    config, systems = experiment.sample, system_infos(experiment)
    watched = _watched(experiment, folder)
    upto = {family: found.asked for family, found in watched.items()}
    write_summary(
        folder,
        iterate_attempts(folder.attempts),
        experiment.analyze or AnalysisConfig(),
        config,
        systems,
        name=experiment.name,
        asked=attempts_asked(config, systems, upto or None) if config else 0,
        registered=registered,
        watched=watched,
        vectors=vectors,
    )


def _report(folder: "RunFolder") -> None:
    from analysis.stage import write_report
    from sample.progress import say

    say(f"report: {write_report(folder)}")


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
