"""Sampling with several processes: each has its own engine and share; the parent alone writes."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from sample.asked import arms_on
from sample.bundles import Bundle
from sample.config import ProblemConfig, SampleConfig, System
from sample.engines import load_engines
from sample.engines.base import Decoding, Engine, Served
from sample.errors import UsageError
from sample.problems import Problem
from sample.processes import Job, Send, run_jobs
from sample.progress import Progress, say
from sample.provenance import threads_each
from sample.records import DEPENDENT, Attempt, Failure
from sample.regrading import regrade, ungraded
from sample.runfolder import RunFolder
from sample.scheduler import Plan, run_system
from sample.store import AttemptStore
from sample.withdrawal import may_pass, withdraw_failed

Load = Callable[[Sequence[System], Mapping[str, Problem], Decoding], AsyncGenerator[Engine, None]]
"""See ``load_engines``."""
CHAINS_PER_SLOT = 4
"""Chains under way for each place in an engine's batch: enough that no place stays empty."""


@dataclass(frozen=True)
class Share:
    """What one worker does on one system. finished: what earlier runs made of its groups."""

    system: System
    plan: Plan
    finished: tuple[Attempt, ...]


@dataclass(frozen=True)
class _Answering:
    """A message of a worker: what a server answers for a system with."""

    system: str
    served: Served


def load_all(config: SampleConfig) -> list[Problem]:
    """The problems of every set, in the order of the config.

    Raises:
        UsageError: a set cannot be made, or two sets share a problem.
    """
    found: dict[str, Problem] = {}
    with Progress("problems", passing=True) as bars:
        for family, options in config.problems.items():
            for problem in _loaded(family, options, bars):
                other = found.setdefault(problem.id, problem)
                if other.family != family:
                    raise UsageError(
                        f"config: sample.problems.{other.family} and .{family} share the "
                        f"problem {problem.question!r:.80}; make their options differ or drop one"
                    )
    return list(found.values())


def _loaded(family: str, options: ProblemConfig, bars: Progress) -> list[Problem]:
    from sample.families import load_problems

    if options.count is None:
        return load_problems(family, options)  # a whole set is read, not made
    bars.add(family, options.count, 0)
    return load_problems(family, options, told=partial(bars.update, family))


def sample_systems(
    systems: Sequence[System],
    config: SampleConfig,
    problems: Sequence[Problem],
    folder: RunFolder,
    *,
    seed: int,
    workers: int,
    hashed: str,
    retry_failed: bool = False,
    load: Load = load_engines,
) -> None:
    """Make every missing attempt of the systems and append it to the run folder's records.

    workers: processes at most; a model whose engine batches over all it has is given one.
    hashed: the config hash for the records. load: makes engines; called in each worker.
    retry_failed: attempts that failed for a passing reason are missing (see ``withdraw_failed``),
        and those that could not be graded are graded again.

    Raises:
        UsageError: damaged records, a model that cannot be loaded.
        ForageError: a worker was killed or the disk is full; the same call goes on from there.
    """
    plans = [_whole_plan(system, config, problems, seed, hashed) for system in systems]
    if retry_failed:
        withdraw_failed(folder, plans)
        regrade(folder, plans, {problem.id: problem for problem in problems})
    with AttemptStore(folder.attempts) as store, Progress("attempts") as bars:
        shares = []
        for system, plan in zip(systems, plans, strict=True):
            done = [attempt for attempt in store.attempts if plan.asks_for(attempt)]
            bars.add(system.name, plan.total, len(done))
            shares.append(_unfinished(Share(system, plan, tuple(done))))

        failed: list[Attempt] = []
        told: set[str] = set()

        def receive(attempt: Attempt | _Answering) -> None:
            if isinstance(attempt, _Answering):
                return _note(folder, attempt, told)
            store.append(attempt)
            bars.advance(attempt.system)
            if attempt.failure is not None and attempt.finish != "skipped":
                failed.append(attempt)

        run_jobs(_jobs(shares, workers, folder, load), workers, receive)
    if failed:
        say(_commonest([attempt.failure for attempt in failed if attempt.failure]))
    if any(may_pass(attempt) or ungraded(attempt) for attempt in failed):
        say("to make or grade the failed ones again, give the same command with --retry-failed")


def _note(folder: RunFolder, answering: _Answering, told: set[str]) -> None:
    """told: the warnings given before."""
    folder.note_served(answering.system, answering.served)
    asked, model = answering.served.asked, answering.served.model
    warning = f"warning: {answering.system}: asked for model {asked!r}, answered by {model!r}"
    if model not in (None, asked) and warning not in told:
        told.add(warning)
        say(warning)


def _commonest(failures: Sequence[Failure]) -> str:
    # One that rests on a failed one says nothing of the cause, unless that one failed before.
    causes = [failure for failure in failures if failure.type != DEPENDENT] or failures
    kind, _ = Counter(failure.type for failure in causes).most_common(1)[0]
    message = next(failure.message for failure in causes if failure.type == kind)
    rest = len(failures) - len(causes)
    because = f"; {rest} more rest on one of these and were not made" if rest else ""
    return (
        f"{len(causes)} attempts failed or were not graded, most often {kind}: {message}{because}"
    )


def _whole_plan(
    system: System, config: SampleConfig, problems: Sequence[Problem], seed: int, hashed: str
) -> Plan:
    return Plan(
        system=system.name,
        arms=arms_on(config, system.name),
        groups=tuple((problem, r) for problem in problems for r in range(config.replicates)),
        attempts=config.attempts,
        decoding=config.decoding,
        seed=seed,
        config=hashed,
        budget=config.budget,
        engine=system.model.engine,
    )


def _unfinished(share: Share) -> Share:
    """The share without the bundles that are finished."""
    plan = share.plan
    made = Counter((attempt.problem, attempt.replicate) for attempt in share.finished)
    whole = len(plan.arms) * plan.attempts
    left = [bundle for bundle in plan.bundles if any(made[p.id, r] < whole for p, r in bundle)]
    return _with_bundles(share, left)


def _with_bundles(share: Share, bundles: Iterable[Bundle]) -> Share:
    plan = replace(share.plan, groups=tuple(group for bundle in bundles for group in bundle))
    held = {(problem.id, replicate) for problem, replicate in plan.groups}
    finished = (a for a in share.finished if (a.problem, a.replicate) in held)
    return Share(share.system, plan, tuple(finished))


def _jobs(shares: Sequence[Share], workers: int, folder: RunFolder, load: Load) -> list[Job]:
    """One job per worker: every ``workers``-th unfinished bundle of each system."""
    jobs = []
    for worker in range(workers):
        parts = [_part(share, worker, workers) for share in shares]
        parts = [part for part in parts if part.plan.groups]
        if parts:
            name = f"sampling worker {worker + 1}"
            log = folder.log(f"sample-{worker + 1}")
            jobs.append(Job(name, _work, (load, parts), log, threads_each(workers)))
    return jobs


def _part(share: Share, worker: int, workers: int) -> Share:
    """A worker's part: all or nothing where one engine serves the whole model."""
    if not share.system.model.SHARED:
        return share if worker == 0 else _with_bundles(share, ())
    return _with_bundles(share, share.plan.bundles[worker::workers])


def _work(send: Send, load: Load, shares: Sequence[Share]) -> None:
    for base in dict.fromkeys(share.system.base for share in shares):
        asyncio.run(_sample(send, load, [s for s in shares if s.system.base == base]))


async def _sample(send: Send, load: Load, shares: Sequence[Share]) -> None:
    """Run the systems of one model, one after the other."""
    systems = [share.system for share in shares]
    problems = {problem.id: problem for share in shares for problem, _ in share.plan.groups}
    async with aclosing(load(systems, problems, shares[0].plan.decoding)) as engines:
        for share in shares:
            engine = await anext(engines)
            in_flight = CHAINS_PER_SLOT * share.system.model.at_once
            emit = _telling(send, share.system.name, engine)
            await run_system(engine, share.plan, share.finished, emit, in_flight)
            # Before the next one is made: two models need not fit into memory.
            del engine
            gc.collect()


def _telling(send: Send, system: str, engine: Engine) -> Callable[[Attempt], None]:
    """``send``, and beside it each model name of a server, once."""
    noted: set[Served] = set()

    def emit(attempt: Attempt) -> None:
        send(attempt)
        for served in getattr(engine, "served", set()) - noted:
            noted.add(served)
            send(_Answering(system, served))

    return emit
