"""The verbs that look ahead from finished runs: plan, recommend."""

from pathlib import Path
from typing import Any

import click


@click.command
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


@click.command
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
