"""The sampling stage of a run."""

from collections.abc import Iterable, Sequence

from sample.config import SampleConfig, System
from sample.problems import Problem
from sample.progress import say
from sample.provenance import environment, files_hash, problems_hash
from sample.run import Run
from sample.runfolder import first_problems
from sample.sandbox import require_sandbox
from sample.scheduler import arms_on
from sample.strategies import strategy_hashes
from sample.workers import load_all, sample_systems


def make_attempts(
    run: Run, config: SampleConfig, systems: Iterable[System], *, retry_failed: bool = False
) -> None:
    """Make the missing attempts of the systems.

    retry_failed: those that failed for a passing reason count as missing.

    Raises:
        UsageError: problems or a model that cannot be loaded or have changed since the run began.
        ForageError: a worker was killed or the disk is full; the same call goes on from there.
    """
    systems = [system for system in systems if arms_on(config, system.name)]
    if not systems:
        return
    say(f"sample: {', '.join(system.name for system in systems)}")
    problems = load_all(config)
    if any(problem.grader == "code" for problem in problems):
        require_sandbox()
    models = {system.base: system.model for system in systems}
    environ = environment(run.workers, models.values())
    begun = run.folder.read_manifest()["hashes"]
    hashes = _hashes(config, problems, systems) | _first_hashes(begun, config, problems)
    run.folder.record(environ, hashes)
    sample_systems(
        systems,
        config,
        problems,
        run.folder,
        seed=run.seed,
        workers=run.workers,
        hashed=run.hashed,
        retry_failed=retry_failed,
    )


def _hashes(
    config: SampleConfig, problems: Sequence[Problem], systems: Iterable[System]
) -> dict[str, str | None]:
    hashes = strategy_hashes(config.arms) | {
        f"problems {family}": problems_hash(p for p in problems if p.family == family)
        for family in config.problems
    }
    for system in systems:
        weights = system.model.weights
        hashes[f"model {system.base}"] = files_hash(weights) if weights else None
        if system.adapter is not None:
            hashes[f"adapter {system.name}"] = files_hash(system.adapter)
    return hashes


def _first_hashes(
    begun: Iterable[str], config: SampleConfig, problems: Sequence[Problem]
) -> dict[str, str]:
    """The hashes of what sets were before they grew. begun: the names in the manifest."""
    hashes = {}
    for family in config.problems:
        grown = first_problems(family, "")
        alike = [problem for problem in problems if problem.family == family]
        for name in begun:
            if name.startswith(grown):
                hashes[name] = problems_hash(alike[: int(name.removeprefix(grown))])
    return hashes


def attempts_asked(config: SampleConfig, systems: Iterable[str]) -> int:
    """How many attempts the config asks of the systems of these names, as far as it tells.

    Sets that are taken whole count for nothing: only loading them would show their size.
    """
    problems = sum(problems.count or 0 for problems in config.problems.values())
    arms = sum(len(arms_on(config, system)) for system in systems)
    return problems * config.replicates * config.attempts * arms
