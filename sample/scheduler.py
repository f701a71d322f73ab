"""Runs all chains of one system on one engine, each at its own pace.

A *group* is everything on one problem and replicate: one chain per arm. Groups start as others
end, so that memory stays flat; within a group a chain that reads another arm awaits it, and no
chain waits for anything else.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sample.config import ArmConfig, SampleConfig
from sample.engines.base import Decoding, Engine, Generation, Message, Request
from sample.errors import ForageError, UsageError
from sample.grading import BLOCKING, Grade, grade
from sample.problems import Problem
from sample.records import Attempt, Failure, Ledger
from sample.seeds import derive_seed
from sample.strategies import arm_options, find_strategy
from sample.strategies.base import Chain

Emit = Callable[[Attempt], None]

_graders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="grader")
"""Where graders that wait for other processes run, so that the engine goes on meanwhile."""


@dataclass(frozen=True)
class Plan:
    """What is asked of one system.

    arms: those that run on it. attempts: N. groups: (problem, replicate) pairs to work on.
    config: the config hash written into each record.
    """

    system: str
    arms: Mapping[str, ArmConfig]
    groups: tuple[tuple[Problem, int], ...]
    attempts: int
    decoding: Decoding
    seed: int
    config: str

    @property
    def total(self) -> int:
        """Attempts in the plan, finished ones included."""
        return len(self.groups) * len(self.arms) * self.attempts

    @cached_property
    def _group_keys(self) -> frozenset[tuple[str, int]]:
        return frozenset((problem.id, replicate) for problem, replicate in self.groups)

    def asks_for(self, attempt: Attempt) -> bool:
        """Whether the attempt is one of the plan's."""
        return (
            attempt.system == self.system
            and attempt.arm in self.arms
            and attempt.step <= self.attempts
            and (attempt.problem, attempt.replicate) in self._group_keys
        )


def arms_on(config: SampleConfig, system: str) -> dict[str, ArmConfig]:
    """The arms that run on a system."""
    return {
        name: arm
        for name, arm in config.arms.items()
        if arm.systems is None or system in arm.systems
    }


async def run_system(
    engine: Engine, plan: Plan, finished: Iterable[Attempt], emit: Emit, in_flight: int
) -> None:
    """Make every attempt of the plan that is not in ``finished``; ``emit`` each as it is done.

    in_flight: about how many chains are under way at a time.

    Raises:
        ForageError: the engine cannot go on. A single failed call is a record, not an error.
    """
    held: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in finished:
        if plan.asks_for(attempt):
            held.setdefault((attempt.problem, attempt.replicate), []).append(attempt)
    options = {name: arm_options(name, arm) for name, arm in plan.arms.items()}
    waiting = iter(plan.groups)

    async def lane() -> None:
        for problem, replicate in waiting:
            group = _Group(engine, plan, options, problem, replicate, emit)
            await group.run(held.get((problem.id, replicate), ()))

    lanes = max(1, in_flight // max(1, len(plan.arms)))
    await asyncio.gather(*(lane() for _ in range(min(lanes, len(plan.groups)))))


@dataclass
class _Group:
    engine: Engine
    plan: Plan
    options: Mapping[str, Any]
    problem: Problem
    replicate: int
    emit: Emit
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    chains: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, finished: Iterable[Attempt]) -> None:
        self.attempts.update({(attempt.arm, attempt.step): attempt for attempt in finished})
        for arm in self.plan.arms:
            self.chains[arm] = asyncio.create_task(self._walk(arm))
        await asyncio.gather(*self.chains.values())

    async def _walk(self, arm: str) -> None:
        if len(list(self._chain(arm))) == self.plan.attempts:
            return

        async def attempt(step: int, messages: list[Message]) -> Attempt:
            return await self._attempt(arm, step, messages)

        chain = Chain(
            problem=self.problem,
            attempts=self.plan.attempts,
            options=self.options[arm],
            attempt=attempt,
            others=self._others,
            count_tokens=self.engine.count_prompt_tokens,
        )
        await find_strategy(self.plan.arms[arm].strategy).walk(chain)

    async def _others(self, arm: str) -> list[Attempt]:
        await asyncio.shield(self.chains[arm])
        return list(self._chain(arm))

    def _chain(self, arm: str) -> Iterator[Attempt]:
        for step in range(1, self.plan.attempts + 1):
            if (arm, step) in self.attempts:
                yield self.attempts[arm, step]

    async def _attempt(self, arm: str, step: int, messages: list[Message]) -> Attempt:
        if (arm, step) not in self.attempts:
            place = (self.plan.system, arm, self.replicate, step)
            seed = derive_seed(self.plan.seed, self.problem.id, *place)
            request = Request(messages, seed, self.plan.decoding)
            generation = await _generate(self.engine, request, self.plan.system)
            record = await self._record(arm, step, seed, generation)
            self.attempts[arm, step] = record
            self.emit(record)
        return self.attempts[arm, step]

    async def _record(self, arm: str, step: int, seed: int, generation: Generation) -> Attempt:
        if self.problem.grader in BLOCKING:
            loop = asyncio.get_running_loop()
            graded = loop.run_in_executor(_graders, _grade, self.problem, generation)
            result, failure = await graded
        else:
            result, failure = _grade(self.problem, generation)
        return Attempt(
            family=self.problem.family,
            problem=self.problem.id,
            arm=arm,
            system=self.plan.system,
            replicate=self.replicate,
            step=step,
            seed=seed,
            thinking=generation.thinking,
            text=generation.text,
            answer=result and result.answer,
            canonical=result and result.canonical,
            correct=result and result.correct,
            finish=generation.finish,
            ledger=generation.ledger,
            failure=failure,
            config=self.plan.config,
        )


async def _generate(engine: Engine, request: Request, system: str) -> Generation:
    start = time.perf_counter()
    try:
        return await engine.generate(request)
    except ForageError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
            raise ForageError(
                f"system {system}: out of memory; give the same command again with a smaller "
                "batch: --set sample.models.NAME.batch=32"
            ) from None
        ledger = Ledger(0, None, 0, 0, time.perf_counter() - start)
        return Generation("", "", "error", ledger, _failure(error))


def _grade(problem: Problem, generation: Generation) -> tuple[Grade | None, Failure | None]:
    """The grade, or why there is none: not graded is None, never wrong.

    Raises:
        UsageError: the grader lacks something that the user can mend.
    """
    if generation.finish == "error":
        return None, generation.failure
    try:
        return grade(problem, generation.text), generation.failure
    except UsageError:
        raise
    except Exception as error:
        return None, _failure(error)


def _failure(error: Exception) -> Failure:
    return Failure(type(error).__name__, " ".join(str(error).split())[:500])
