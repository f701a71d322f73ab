"""What a run would ask of its engines, found without any model and without a network.

Every strategy is walked on stand-in attempts of an expected length, one chain an arm, so that its
prompts are as long as they would be. Each stand-in is wrong and says something new.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from msgspec import structs

from sample.allowance import Allowance
from sample.asked import arms_on
from sample.config import GENERATED, ArmConfig, ProblemConfig, SampleConfig
from sample.engines.base import Message
from sample.errors import UsageError
from sample.families import draw_problems, load_problems
from sample.families.defaults import size_of
from sample.problems import Problem
from sample.prompts import user
from sample.records import Attempt, Ledger
from sample.seeds import derive_seed
from sample.strategies import arm_options, find_strategy, least_attempts
from sample.strategies.base import Chain

CHARACTERS = 4
"""Of one token, about, in English and in code."""
QUESTION = {"math": 150, "code": 600}
"""Grader -> tokens of a question that only the Hub has."""
TEST_REPORT = 100
"""Tokens of what public tests say."""
LONGEST_ANSWER = 500
_LINE = "abc " * 19 + "ab.\n"


@dataclass(frozen=True)
class Lengths:
    """Tokens of one attempt. generated: thinking and answer, expected; most: its limit.

    bound: its thinking, and its answer too, may be all of it: what prompts are at most.
    """

    generated: int
    most: int
    bound: bool = False

    @property
    def answer(self) -> int:
        """What enters a history: half of it, at most ``LONGEST_ANSWER``."""
        return self.generated if self.bound else min(LONGEST_ANSWER, self.generated // 2)

    @property
    def thinking(self) -> int:
        return self.generated if self.bound else self.generated - self.answer


@dataclass(frozen=True)
class Expected:
    """What one arm on one family asks of one system.

    problems, calls: numbers. prompt, generated: expected tokens of all calls; most: tokens
    generated if every call needs its limit and every repeat all its redraws, within the budget;
    most_prompt: of the prompts then. longest: of an expected prompt with room for max_new_tokens.
    drafts: how many of a chain's the budget holds, and of how many; None = it has none.
    """

    system: str
    family: str
    arm: str
    problems: int
    calls: int
    prompt: int
    generated: int
    most: int
    most_prompt: int
    longest: int
    drafts: tuple[int, int] | None = None


def expected_lengths(config: SampleConfig, generated: int | None) -> Lengths:
    """generated: tokens of an attempt; default: half of max_new_tokens.

    Raises:
        UsageError: more than max_new_tokens, or none.
    """
    most = config.decoding.max_new_tokens
    generated = max(1, most // 2) if generated is None else generated
    if not 1 <= generated <= most:
        raise UsageError(
            f"--expect takes 1 to sample.decoding.max_new_tokens ({most}) tokens (given: "
            f"{generated})"
        )
    return Lengths(generated, most)


def expected(config: SampleConfig, systems: Iterable[str], lengths: Lengths) -> list[Expected]:
    """One row for each system, family and arm, in the order of the config.

    Raises:
        UsageError: a set of unknown size, or a strategy that does not suit its family.
    """
    sets = {name: representative(name, problems) for name, problems in config.problems.items()}
    # Without the budget itself: of many short attempts it allows more than of few long ones.
    bound = Lengths(min(lengths.most, config.budget or lengths.most), lengths.most, bound=True)
    rows = []
    for system in systems:
        for family, (count, problem) in sets.items():
            what = (arms_on(config, system), config.attempts, problem)
            most = walk_arms(*what, bound)
            for asked, highest in zip(walk_arms(*what, lengths, config.budget), most, strict=True):
                chains, drafts = count * config.replicates, _drafts(config, asked)
                row = _times(chains, count, system, family, asked, highest)
                rows.append(replace(row, drafts=drafts))
    return rows


def _drafts(config: SampleConfig, asked: "Asked") -> tuple[int, int] | None:
    """See ``Expected``."""
    drafts, closing = least_attempts(asked.arm, config.arms[asked.arm])
    if config.budget is None or not drafts:
        return None
    return asked.calls - closing, config.attempts - closing


@dataclass
class Asked:
    """What one chain asks for. calls: at least. prompt, generated: tokens; most: generated with
    every redraw and at full length; drawn: prompt with every redraw; longest: the longest prompt.
    allowance: None = it has no budget."""

    arm: str
    allowance: Allowance | None
    calls: int = 0
    most: int = 0
    prompt: int = 0
    drawn: int = 0
    longest: int = 0
    made: dict[int, Attempt] = field(default_factory=dict)

    @property
    def generated(self) -> int:
        return sum(attempt.ledger.generated for attempt in self.made.values())

    async def room(self, step: int, longest: int, closing: int) -> int:
        """See ``Allowance.grant``."""
        if self.allowance is None:
            return longest
        return await self.allowance.grant(step, longest, closing * longest)

    def keep(self, made: Attempt) -> Attempt:
        if self.allowance is not None:
            self.allowance.settle(made.step, made.ledger.generated)
        return self.made.setdefault(made.step, made)


def _times(
    chains: int, problems: int, system: str, family: str, asked: Asked, highest: Asked
) -> Expected:
    """highest: the same arm where each attempt is as long as it may be."""
    most = asked.most if asked.allowance is None else min(asked.most, asked.allowance.total)
    counts = (asked.calls, asked.prompt, asked.generated, most, highest.drawn)
    times = (chains * count for count in counts)
    return Expected(system, family, asked.arm, problems, *times, longest=asked.longest)


def representative(family: str, config: ProblemConfig) -> tuple[int, Problem]:
    """How many problems the set has, and one of them whose question is of median length."""
    if config.source == "hub":
        return _size(family, config), _of_the_hub(family, config)
    if config.source in GENERATED:
        assert config.count is not None
        drawn = list(islice(draw_problems(family, config), min(20, config.count)))
        return config.count, _median(drawn)
    loaded = load_problems(family, config)
    return len(loaded), _median(loaded)


def _median(problems: Sequence[Problem]) -> Problem:
    return sorted(problems, key=lambda problem: len(problem.question))[len(problems) // 2]


def _size(family: str, config: ProblemConfig) -> int:
    if (size := size_of(config)) is None:
        raise UsageError(
            f"dry run: only the Hub can tell how many problems {config.task!r} has with these "
            f"options; say it: --set sample.problems.{family}.count=100"
        )
    return size


def _of_the_hub(family: str, config: ProblemConfig) -> Problem:
    grader = config.options["grader"]
    question = config.prompt.replace("{question}", text_of(QUESTION[grader]))
    answer = "1" if grader == "math" else ""
    solved = config.options.get("layout") in ("humaneval", "mbpp")
    solution = {"solution": text_of(LONGEST_ANSWER)} if solved else {}
    return Problem(family, question, answer, grader, "", {"public": {}, "hidden": {}, **solution})


def walk_arms(
    arms: Mapping[str, ArmConfig],
    attempts: int,
    problem: Problem,
    lengths: Lengths,
    budget: int | None = None,
) -> list[Asked]:
    """What one chain of each arm asks for on a problem.

    Raises:
        UsageError: a strategy that this problem or this number of attempts does not suit.
    """
    return asyncio.run(_walk_arms(arms, attempts, problem, lengths, budget))


async def _walk_arms(
    arms: Mapping[str, ArmConfig],
    attempts: int,
    problem: Problem,
    lengths: Lengths,
    budget: int | None,
) -> list[Asked]:
    asked = {name: Asked(name, None if budget is None else Allowance(budget)) for name in arms}
    walks: dict[str, asyncio.Task[None]] = {}

    async def finished(arm: str) -> list[Attempt]:
        await asyncio.shield(walks[arm])
        made = (asked[arm].made[step] for step in sorted(asked[arm].made))
        return [attempt for attempt in made if attempt.finish != "unmade"]

    for name, arm in arms.items():
        options = arm_options(name, arm)
        chain = _chain(asked[name], attempts, options, problem, lengths, finished)
        walks[name] = asyncio.create_task(_walk(arm, chain))
    await asyncio.gather(*walks.values())
    return list(asked.values())


async def _walk(arm: ArmConfig, chain: Chain) -> None:
    await find_strategy(arm.strategy).walk(chain)


def _chain(
    asked: Asked, attempts: int, options: Any, problem: Problem, lengths: Lengths, finished: Any
) -> Chain:
    async def attempt(
        step: int,
        messages: list[Message],
        *,
        prefill: str = "",
        redraws: int = 0,
        closing: int = 0,
        **_: Any,
    ) -> Attempt:
        room = await asked.room(step, lengths.most, closing)
        if room == 0:
            return asked.keep(structs.replace(empty(step), finish="unmade"))
        asked.calls += 1
        draws = 1 + (redraws if step > 1 else 0)
        prompt = count_tokens(messages) + count_tokens(user(prefill))
        asked.prompt, asked.drawn = asked.prompt + prompt, asked.drawn + prompt * draws
        asked.most += lengths.most * draws
        asked.longest = max(asked.longest, prompt + lengths.most)
        given = replace(lengths, generated=min(room, lengths.generated))
        return asked.keep(_attempt(asked.arm, step, problem, given, messages, prefill))

    def empty(step: int) -> Attempt:
        return _attempt(asked.arm, step, problem, Lengths(0, 0), [])

    def skip(step: int, reason: str) -> Attempt:
        return asked.keep(empty(step))

    return Chain(
        problem=problem,
        attempts=attempts,
        options=options,
        attempt=attempt,
        skip=skip,
        others=finished,
        partners=finished,
        count_tokens=count_tokens,
        seed=lambda *key: derive_seed("dry run", *key),
        public_tests=_public_tests(problem),
    )


def _public_tests(problem: Problem) -> Callable[[str], Any] | None:
    async def said(text: str) -> str:
        return text_of(TEST_REPORT)

    return said if problem.grader == "code" else None


def _attempt(
    arm: str,
    step: int,
    problem: Problem,
    lengths: Lengths,
    messages: list[Message],
    prefill: str = "",
) -> Attempt:
    answer = lengths.answer
    return Attempt(
        family=problem.family,
        problem=problem.id,
        arm=arm,
        system="",
        replicate=0,
        step=step,
        seed=0,
        thinking=prefill + text_of(lengths.thinking),
        text=text_of(answer),
        answer=str(step),
        canonical=str(step),
        correct=False,
        finish="stop",
        ledger=Ledger(count_tokens(messages), None, lengths.generated - answer, answer, 0.0),
    )


def count_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a conversation, about."""
    return math.ceil(sum(len(message["content"]) for message in messages) / CHARACTERS)


def text_of(tokens: int) -> str:
    """A text of that many tokens, in lines and sentences."""
    size = tokens * CHARACTERS
    return (_LINE * (size // len(_LINE) + 1))[:size]
