"""Failed attempts taken out of the records, so that the run makes them again.

With a failed attempt goes whatever may have been made from it: what followed in its chain, and
every chain that reads such a chain. What is taken out lies in ``withdrawn.jsonl``; its tokens are
in no ledger of the records that remain.
"""

from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter

from sample.bundles import partner
from sample.progress import say
from sample.records import DEPENDENT, Attempt
from sample.runfolder import RunFolder, write_atomically
from sample.scheduler import Plan
from sample.store import read_attempts, to_line
from sample.strategies import find_strategy, needed_arms
from sample.strategies.base import Arm, PartnerArm

LASTING = frozenset({"context_overflow", "content_filter", "bad_request", DEPENDENT})
"""Types of failures that the same request would meet again; one that depends on another failure is
owed again with that one."""

ChainKey = tuple[str, int, str]
"""Problem, replicate, arm."""


def withdraw_failed(folder: RunFolder, plans: Iterable[Plan]) -> None:
    """Move what the plans owe again from ``attempts.jsonl`` to ``withdrawn.jsonl``.

    A kill in between loses nothing: a line is there before it is taken away here.

    Raises:
        UsageError: damaged records.
        ForageError: the disk is full.
    """
    attempts = read_attempts(folder.attempts) if folder.attempts.exists() else []
    owed = {attempt.key for plan in plans for attempt in owed_again(plan, attempts)}
    if not owed:
        return
    earlier = folder.withdrawn.read_text() if folder.withdrawn.exists() else ""
    gone = [_line(attempt) for attempt in attempts if attempt.key in owed]
    known = set(earlier.splitlines(keepends=True))
    write_atomically(folder.withdrawn, earlier + "".join(x for x in gone if x not in known))
    kept = "".join(_line(attempt) for attempt in attempts if attempt.key not in owed)
    write_atomically(folder.attempts, kept)
    say(f"made again: {len(owed)} attempts that failed or were made from one that did")


def _line(attempt: Attempt) -> str:
    return to_line(attempt).decode()


def may_pass(attempt: Attempt) -> bool:
    """Whether the attempt failed for a reason that the same request need not meet again."""
    lasting = attempt.failure is not None and attempt.failure.type in LASTING
    return attempt.finish == "error" and not lasting


def owed_again(plan: Plan, attempts: Iterable[Attempt]) -> list[Attempt]:
    """The attempts of a plan that failed for a passing reason or may have been made from one."""
    chains: dict[ChainKey, list[Attempt]] = {}
    for attempt in attempts:
        if plan.asks_for(attempt):
            chains.setdefault((attempt.problem, attempt.replicate, attempt.arm), []).append(attempt)
    partners = _partners(plan)
    owed: dict[ChainKey, list[Attempt]] = {}
    for arm in _readers_last(plan):
        for key, chain in chains.items():
            if key[2] == arm:
                whole = any(owed.get(read) for read in _reads(plan, key, partners))
                owed[key] = chain if whole else _owed(plan, arm, chain)
    return [attempt for chain in owed.values() for attempt in chain]


def _readers_last(plan: Plan) -> Iterator[str]:
    graph = {name: needed_arms(name, arm) for name, arm in plan.arms.items()}
    return iter(TopologicalSorter(graph).static_order())


def _partners(plan: Plan) -> dict[tuple[str, int], tuple[str, int]]:
    pairs = ((group, partner(bundle, group)) for bundle in plan.bundles for group in bundle)
    return {(p.id, replicate): (q.id, other) for (p, replicate), (q, other) in pairs}


def _reads(
    plan: Plan, key: ChainKey, partners: dict[tuple[str, int], tuple[str, int]]
) -> list[ChainKey]:
    """The chains whose attempts a chain reads."""
    problem, replicate, name = key
    arm = plan.arms[name]
    return [
        *((problem, replicate, other) for other in needed_arms(name, arm, Arm)),
        *((*partners[problem, replicate], other) for other in needed_arms(name, arm, PartnerArm)),
    ]


def _owed(plan: Plan, arm: str, chain: list[Attempt]) -> list[Attempt]:
    failed = [attempt.step for attempt in chain if may_pass(attempt)]
    if not failed:
        return []
    sees = find_strategy(plan.arms[arm].strategy).sees
    # What an attempt may generate follows from what those before it have.
    match "earlier" if sees == "nothing" and plan.budget is not None else sees:
        case "nothing":
            return [attempt for attempt in chain if attempt.step in failed]
        case "earlier":
            return [attempt for attempt in chain if attempt.step >= min(failed)]
        case _:
            return chain
