"""The histories that a probe puts before every system: the base's own chains in a run."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from sample.asked import arms_on
from sample.config import SampleConfig
from sample.engines.base import Message
from sample.errors import UsageError
from sample.probes import Prefix, ProbeConfig
from sample.problems import Problem
from sample.public_tests import public_tests
from sample.records import Attempt
from sample.seeds import derive_seed
from sample.strategies import arm_options, find_strategy
from sample.strategies.base import Chain


def history_arm(config: SampleConfig, base: str) -> str:
    """The arm of the base whose chains are the histories: sequential, all final answers shown.

    Raises:
        UsageError: there is none.
    """
    for name, arm in arms_on(config, base).items():
        if arm.strategy == "sequential" and arm_options(name, arm).history == "answers":
            return name
    raise UsageError(
        f"probe: {base} has no arm with strategy: sequential and history: answers, whose chains "
        "are the histories; add sample.arms.sequential={strategy: sequential} and run it"
    )


def find_prefixes(
    attempts: Iterable[Attempt],
    problems: Iterable[Problem],
    config: SampleConfig,
    base: str,
    probe: ProbeConfig,
) -> list[Prefix]:
    """Every depth of the base's chains of replicate 0, on the first problems in a hashed order.

    Raises:
        UsageError: no chain, or none as long as any of the depths needs.
    """
    arm, depths = history_arm(config, base), _depths(config, probe)
    chains, options = _chains(attempts, arm, base), arm_options(arm, config.arms[arm])
    found, counts = [], dict.fromkeys(config.problems, 0)
    for problem in sorted(problems, key=lambda p: derive_seed("probe", probe.seed, p.id)):
        chain = _unbroken(chains.get(problem.id, {}), depths[-1] + 1)
        if chain and counts[problem.family] < probe.problems:
            counts[problem.family] += 1
            asked = asyncio.run(_asked(problem, options, chain))
            found += [Prefix(problem, tuple(chain[:k]), asked[k + 1]) for k in depths]
    if not found:
        raise UsageError(
            f"probe: no chain of arm {arm!r} on {base} has its first {depths[-1] + 1} attempts; "
            "finish the run first, or give a smaller --depth"
        )
    return found


def _depths(config: SampleConfig, probe: ProbeConfig) -> list[int]:
    """0, and the depths that the run's chains have."""
    found = [depth for depth in sorted({0, *probe.depths}) if depth < config.attempts]
    if len(found) < 2:
        raise UsageError(
            f"probe: no depth of {', '.join(map(str, probe.depths))} is below sample.attempts "
            f"({config.attempts}), so no history is long enough; give --depth 1, or run again "
            "with more attempts"
        )
    return found


def _chains(attempts: Iterable[Attempt], arm: str, base: str) -> dict[str, dict[int, Attempt]]:
    """Problem -> step -> the attempt of replicate 0."""
    found: dict[str, dict[int, Attempt]] = {}
    for attempt in attempts:
        if (attempt.arm, attempt.system, attempt.replicate) == (arm, base, 0):
            found.setdefault(attempt.problem, {})[attempt.step] = attempt
    return found


def _unbroken(chain: dict[int, Attempt], length: int) -> list[Attempt]:
    """The first attempts, so many; none if one of them was not made."""
    first = [chain[step] for step in range(1, length + 1) if step in chain]
    made = [a for a in first if a.finish not in ("error", "skipped", "unmade")]
    return made if len(made) == length else []


async def _asked(
    problem: Problem, options: Any, chain: Sequence[Attempt]
) -> dict[int, list[Message]]:
    """Step -> what its strategy asks for it, when the chain is walked once more as it stands."""
    asked: dict[int, list[Message]] = {}

    async def attempt(step: int, messages: list[Message], **_: Any) -> Attempt:
        asked[step] = messages
        return chain[step - 1]

    async def nothing(arm: str) -> list[Attempt]:
        return []

    await find_strategy("sequential").walk(
        Chain(
            problem=problem,
            attempts=len(chain),
            options=options,
            attempt=attempt,
            skip=lambda step, reason: chain[step - 1],
            others=nothing,
            partners=nothing,
            count_tokens=len,
            seed=lambda *key: derive_seed("probe", *key),
            public_tests=public_tests(problem),
        )
    )
    return asked
