"""Runs all chains of one system on one engine, each at its own pace.

A *group* is everything on one problem and replicate: one chain per arm. Groups start as others
end, so that memory stays flat; a chain that reads another arm, of its own group or of its partner's
(see ``sample.bundles``), awaits it, and no chain waits for anything else.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from msgspec import structs

from sample.allowance import Allowance
from sample.bundles import Bundle, bundled, partner
from sample.calls import ProblemGrader, generate, record
from sample.config import ArmConfig
from sample.engines.base import Decoding, Engine, Generation, Message, Request
from sample.errors import UsageError
from sample.grading import Grade
from sample.problems import Problem
from sample.public_tests import public_tests
from sample.records import DEPENDENT, Attempt, Draw, Failure, Ledger
from sample.seeds import derive_seed
from sample.strategies import arm_options, check_sizes, find_strategy, needed_arms
from sample.strategies.base import Arm, Chain, PartnerArm, Strategy

Emit = Callable[[Attempt], None]


@dataclass(frozen=True)
class Plan:
    """What is asked of one system.

    arms: those that run on it. attempts: N. groups: (problem, replicate) pairs to work on.
    config, engine: the config hash and the engine's name, written into each record.
    budget: most tokens that a chain generates.
    """

    system: str
    arms: Mapping[str, ArmConfig]
    groups: tuple[tuple[Problem, int], ...]
    attempts: int
    decoding: Decoding
    seed: int
    config: str
    budget: int | None = None
    engine: str = ""

    @property
    def total(self) -> int:
        """Attempts in the plan, finished ones included."""
        return len(self.groups) * len(self.arms) * self.attempts

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """The groups by what must run together."""
        paired = any(needed_arms(name, arm, PartnerArm) for name, arm in self.arms.items())
        return tuple(bundled(self.groups, paired))

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


async def run_system(
    engine: Engine, plan: Plan, finished: Iterable[Attempt], emit: Emit, in_flight: int
) -> None:
    """Make every attempt of the plan that is not in ``finished``; ``emit`` each as it is done.

    in_flight: about how many chains are under way at a time.

    Raises:
        ForageError: the engine cannot go on. A single failed call is a record, not an error.
        UsageError: a strategy that this problem or this number of attempts does not suit.
    """
    held: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in finished:
        if plan.asks_for(attempt):
            held.setdefault((attempt.problem, attempt.replicate), []).append(attempt)
    check_sizes(plan.arms, plan.attempts, {})
    walks = {name: _Walk.of(name, arm) for name, arm in plan.arms.items()}
    waiting = iter(plan.bundles)

    async def lane() -> None:
        for bundle in waiting:
            await _run_bundle(bundle)

    async def _run_bundle(bundle: Bundle) -> None:
        groups = [_Group(engine, plan, walks, *group, emit) for group in bundle]
        for group, place in zip(groups, bundle, strict=True):
            group.partner = groups[bundle.index(partner(bundle, place))]
            group.start(held.get((group.problem.id, group.replicate), ()))
        await asyncio.gather(*(chain for group in groups for chain in group.chains.values()))

    chains = len(plan.arms) * max((len(bundle) for bundle in plan.bundles), default=1)
    lanes = max(1, in_flight // max(1, chains))
    await asyncio.gather(*(lane() for _ in range(min(lanes, len(plan.bundles)))))


@dataclass(frozen=True)
class _Walk:
    """An arm ready to walk. others, partners: the arms it may read."""

    arm: str
    strategy: Strategy
    options: Any
    others: tuple[str, ...]
    partners: tuple[str, ...]

    @classmethod
    def of(cls, name: str, arm: ArmConfig) -> "_Walk":
        strategy, options = find_strategy(arm.strategy), arm_options(name, arm)
        others, partners = needed_arms(name, arm, Arm), needed_arms(name, arm, PartnerArm)
        return cls(name, strategy, options, others, partners)

    def check_reads(self, arm: str, allowed: tuple[str, ...], kind: str) -> None:
        if arm not in allowed:
            raise UsageError(
                f"strategy of arm {self.arm!r} reads arm {arm!r}, which none of its options "
                f"names; give its Options a field of type {kind} (sample.strategies.base)"
            )


@dataclass
class _Group:
    engine: Engine
    plan: Plan
    walks: Mapping[str, _Walk]
    problem: Problem
    replicate: int
    emit: Emit
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    chains: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    allowances: dict[str, Allowance] = field(default_factory=dict)
    asked: dict[str, set[int]] = field(default_factory=dict)
    partner: "_Group | None" = None

    def __post_init__(self) -> None:
        self.grader = ProblemGrader(self.problem)

    def start(self, finished: Iterable[Attempt]) -> None:
        """Begin every chain; no chain runs before the caller next awaits."""
        self.attempts.update({(attempt.arm, attempt.step): attempt for attempt in finished})
        if self.plan.budget is not None:
            self.allowances = {arm: Allowance(self.plan.budget) for arm in self.walks}
            for (arm, step), attempt in self.attempts.items():
                self.allowances[arm].settle(step, attempt.ledger.generated)
        for arm, walk in self.walks.items():
            self.chains[arm] = asyncio.create_task(self._walk(arm, walk))

    async def _walk(self, arm: str, walk: _Walk) -> None:
        if self._missing(arm):
            await walk.strategy.walk(self._open(arm, walk))
        if missing := self._missing(arm):
            raise UsageError(
                f"strategy of arm {arm!r} left out attempt {missing[0]} of {self.plan.attempts}; "
                "it must make or skip every step of chain.steps"
            )

    def _missing(self, arm: str) -> list[int]:
        return [s for s in range(1, self.plan.attempts + 1) if (arm, s) not in self.attempts]

    def _open(self, arm: str, walk: _Walk) -> Chain:
        async def attempt(step: int, messages: list[Message], **how: Any) -> Attempt:
            self._check_order(walk, step)
            return await self._attempt(arm, step, messages, **how)

        async def others(other: str) -> list[Attempt]:
            walk.check_reads(other, walk.others, "Arm")
            return await self.finished(other)

        async def partners(other: str) -> list[Attempt]:
            walk.check_reads(other, walk.partners, "PartnerArm")
            assert self.partner is not None
            return await self.partner.finished(other)

        return Chain(
            problem=self.problem,
            attempts=self.plan.attempts,
            options=walk.options,
            attempt=attempt,
            skip=lambda step, reason: self._skip(arm, step, reason),
            others=others,
            partners=partners,
            count_tokens=self.engine.count_prompt_tokens,
            seed=lambda *key: self._seed(arm, *key),
            public_tests=public_tests(self.problem),
        )

    def _check_order(self, walk: _Walk, step: int) -> None:
        """A budget is shared out in the order of the steps, so one asked for too early would wait
        for ever; no strategy whose attempts see earlier ones, or nothing, asks that way."""
        if not self.allowances or walk.strategy.sees != "any":
            return
        asked = self.asked.setdefault(walk.arm, set())
        asked.add(step)
        early = [s for s in self._missing(walk.arm) if s < step and s not in asked]
        if early:
            raise UsageError(
                f"strategy of arm {walk.arm!r} asked for attempt {step} before attempt {early[0]}; "
                "with sample.budget it must ask for its attempts in the order of their steps"
            )

    async def finished(self, arm: str) -> list[Attempt]:
        """The attempts of an arm that its budget allowed, once they are all there."""
        await asyncio.shield(self.chains[arm])
        every = (self.attempts[arm, step] for step in range(1, self.plan.attempts + 1))
        return [attempt for attempt in every if attempt.finish != "unmade"]

    def _seed(self, arm: str, *key: object) -> int:
        place = (self.problem.id, self.plan.system, arm, self.replicate)
        return derive_seed(self.plan.seed, *place, *key)

    async def _attempt(
        self,
        arm: str,
        step: int,
        messages: list[Message],
        *,
        prefill: str = "",
        redraws: int = 0,
        unwanted: Callable[[Attempt], bool] = lambda drawn: False,
        closing: int = 0,
        rests_on: Sequence[Attempt] = (),
    ) -> Attempt:
        if (arm, step) in self.attempts:
            return self.attempts[arm, step]
        if without := next((a for a in rests_on if a.finish == "skipped"), None):
            return self._skip(arm, step, f"{_named(without)} was skipped")
        if without := next((a for a in rests_on if a.finish == "error"), None):
            self._keep(self._dependent(arm, step, without))
        else:
            room = await self._room(arm, step, 1 + redraws, closing)
            draws: list[Attempt] = []
            while room > 0 and len(draws) <= redraws and (not draws or unwanted(draws[-1])):
                draws.append(await self._draw(arm, step, messages, prefill, len(draws), room))
                room -= draws[-1].ledger.generated
            self._keep(_as_one(draws) if draws else self._unmade(arm, step))
        return self.attempts[arm, step]

    async def _room(self, arm: str, step: int, draws: int, closing: int) -> int:
        """Tokens that so many draws of a step may generate together; 0 = it is not made."""
        longest = self.plan.decoding.max_new_tokens
        if arm not in self.allowances:
            return draws * longest
        return await self.allowances[arm].grant(step, draws * longest, closing * longest)

    async def _draw(
        self, arm: str, step: int, messages: list[Message], prefill: str, number: int, room: int
    ) -> Attempt:
        seed = self._seed(arm, step, "redraw", number) if number else self._seed(arm, step)
        decoding = self.plan.decoding
        cut = room < decoding.max_new_tokens
        decoding = replace(decoding, max_new_tokens=room) if cut else decoding
        request = Request(messages, seed, decoding, prefill, self.problem.id)
        generation = await generate(self.engine, request, self.plan.system)
        if cut and generation.finish == "length":
            generation = replace(generation, finish="budget")
        result, failure = await self.grader(generation)
        return self._record(arm, step, seed, generation, result, failure)

    def _skip(self, arm: str, step: int, reason: str) -> Attempt:
        if (arm, step) not in self.attempts:
            failure = Failure("not_applicable", reason)
            self._keep(self._uncalled(arm, step, "skipped", None, failure))
        return self.attempts[arm, step]

    def _dependent(self, arm: str, step: int, failed: Attempt) -> Attempt:
        failure = Failure(DEPENDENT, f"{_named(failed)} failed")
        return self._uncalled(arm, step, "error", None, failure)

    def _unmade(self, arm: str, step: int) -> Attempt:
        return self._uncalled(arm, step, "unmade", 0, None)

    def _uncalled(
        self, arm: str, step: int, finish: str, cached: int | None, failure: Failure | None
    ) -> Attempt:
        empty = Generation("", "", finish, Ledger(0, cached, 0, 0, 0.0), failure)
        return self._record(arm, step, self._seed(arm, step), empty, None, failure)

    def _keep(self, made: Attempt) -> None:
        if (made.arm, made.step) in self.attempts or not 1 <= made.step <= self.plan.attempts:
            raise UsageError(
                f"strategy of arm {made.arm!r} asked for attempt {made.step} of "
                f"{self.plan.attempts} twice at once or beyond the last; once for each step"
            )
        self.attempts[made.arm, made.step] = made
        if made.arm in self.allowances:
            self.allowances[made.arm].settle(made.step, made.ledger.generated)
        self.emit(made)

    def _record(
        self,
        arm: str,
        step: int,
        seed: int,
        generation: Generation,
        result: Grade | None,
        failure: Failure | None,
    ) -> Attempt:
        return record(
            self.problem,
            generation,
            result,
            failure,
            arm=arm,
            system=self.plan.system,
            replicate=self.replicate,
            step=step,
            seed=seed,
            config=self.plan.config,
            engine=self.plan.engine,
        )


def _named(attempt: Attempt) -> str:
    return f"attempt {attempt.step} of arm {attempt.arm}"


def _as_one(draws: list[Attempt]) -> Attempt:
    """The last draw, with those before it and what all of them cost."""
    *before, last = draws
    if not before:
        return last
    rejected = (Draw(d.seed, d.thinking, d.text, d.canonical, d.finish, d.ledger) for d in before)
    ledger = sum((d.ledger for d in before), last.ledger)
    return structs.replace(last, ledger=ledger, rejected=tuple(rejected))
