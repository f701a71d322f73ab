"""The sampling stage of a run."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from sample.asked import arms_on
from sample.bundles import without_cut
from sample.config import SampleConfig, System
from sample.engines.adapters import check_bases
from sample.errors import UsageError
from sample.problems import Problem
from sample.progress import say
from sample.provenance import environment, files_hash, problems_hash
from sample.run import Run
from sample.runfolder import RunFolder, first_problems, read_json, write_json
from sample.sandbox import require_sandbox
from sample.strategies import strategy_hashes
from sample.workers import load_all, sample_systems


def make_attempts(
    run: Run,
    config: SampleConfig,
    systems: Iterable[System],
    problems: Sequence[Problem],
    *,
    upto: Mapping[str, int] | None = None,
    retry_failed: bool = False,
) -> None:
    """Make the missing attempts of the systems.

    problems: all of the config's. upto: family -> how many of its first problems to work on, one
    or two more where that would part a pair (see ``sample.bundles``); None = all.
    retry_failed: those that failed for a passing reason count as missing.

    Raises:
        UsageError: a model that cannot be loaded, or one or problems that have changed since the
            run began.
        ForageError: a worker was killed or the disk is full; the same call goes on from there.
    """
    systems = [system for system in systems if arms_on(config, system.name)]
    if not systems:
        return
    check_bases(systems)
    say(f"sample: {', '.join(system.name for system in systems)}")
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
        problems if upto is None else _first(problems, upto),
        run.folder,
        seed=run.seed,
        workers=run.workers,
        hashed=run.hashed,
        retry_failed=retry_failed,
    )


def _first(problems: Sequence[Problem], upto: Mapping[str, int]) -> list[Problem]:
    found = []
    for family, size in upto.items():
        alike = [problem for problem in problems if problem.family == family]
        found += alike[: without_cut(size, len(alike))]
    return found


def problems_of(folder: RunFolder, config: SampleConfig) -> list[Problem]:
    """The problems of every set, in the order the run works on them.

    Raises:
        UsageError: as ``load_all``, or problems that have changed since the run began.
    """
    problems = load_all(config)
    if not folder.order.exists():
        return problems
    order = [name for names in read_json(folder.order).values() for name in names]
    known = {problem.id: problem for problem in problems}
    if set(order) != set(known):
        raise UsageError(
            f"the problems have changed since {folder.path} was begun (they are not those of "
            f"{folder.order.name}); bring the old ones back or use another -o DIR"
        )
    return [known[name] for name in order]


def fix_order(
    folder: RunFolder, config: SampleConfig, order: Callable[[Iterable[str]], list[str]]
) -> None:
    """Write down in which order each family is sampled, before the first attempt is made.

    Raises:
        UsageError: the run was begun in another order, or as ``load_all``.
    """
    if folder.order.exists():
        return
    if folder.attempts.exists() and folder.attempts.stat().st_size:
        raise UsageError(
            f"{folder.path} was begun without --until-decided, in another order of its problems; "
            "leave --until-decided out, or begin with it in another -o DIR"
        )
    families: dict[str, list[str]] = {}
    for problem in load_all(config):
        families.setdefault(problem.family, []).append(problem.id)
    write_json(folder.order, {family: order(names) for family, names in families.items()})


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
