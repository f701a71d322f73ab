"""Histories made by the adapter under training, on-policy."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import TrainerCallback

from sample.engines.base import Decoding, Engine, Message, Request
from sample.errors import UsageError
from sample.grading import beside, waits
from sample.problems import Problem
from sample.prompts import conversation
from train.dataset import Plan, Slot
from train.grader import Grader
from train.replay import Replay
from train.samplers import Sampler

TRIES = 4
"""Chains walked at most for a history that is to hold a correct answer, and answers drawn at most
for each place of one that is to hold none."""


@dataclass(frozen=True)
class History:
    """What the attempts of one group see. answers: the texts of the earlier attempts."""

    slot: Slot
    answers: tuple[str, ...]

    @property
    def problem(self) -> Problem:
        return self.slot.problem

    @property
    def messages(self) -> list[Message]:
        return conversation(self.problem.question, self.answers)


@dataclass(frozen=True)
class Tokens:
    """Tokens read and written by the model."""

    prompt: int = 0
    generated: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt + other.prompt, self.generated + other.generated)


async def make_histories(
    plan: Plan,
    slots: Sequence[Slot],
    decoding: Decoding,
    engine: Engine,
    context: int | None = None,
) -> tuple[list[History], Tokens]:
    """One chain for each slot, as sequential sampling walks it, up to the slot's depth.

    context: tokens of prompt and generation together that the model takes, None = no limit. Where
    it ends first, the history is as deep as leaves room for one attempt.

    Raises:
        UsageError: not even the bare question leaves room for an attempt.
    """
    grader = Grader({slot.problem.id: slot.problem for slot in slots})
    walks = [_Walk(engine, plan, decoding, grader, slot) for slot in slots]
    chains = await asyncio.gather(*(walk.wanted() for walk in walks))
    walked = [History(slot, chain) for slot, chain in zip(slots, chains, strict=True)]
    made = [_fit(history, engine, decoding, context) for history in walked]
    return made, sum((walk.tokens for walk in walks), Tokens())


@dataclass
class _Walk:
    """The chains that are walked for one slot. tokens: what they have taken so far."""

    engine: Engine
    plan: Plan
    decoding: Decoding
    grader: Grader
    slot: Slot
    tokens: Tokens = Tokens()

    async def wanted(self) -> tuple[str, ...]:
        """The chain that the slot asks for: unsolved; solved (the first of TRIES that is, or the
        last); or as it comes."""
        if self.slot.solved is False:
            return await self._unsolved()
        answers = await self._chain()
        for turn in range(1, TRIES):
            if self.slot.solved is None or await self._solved(answers):
                break
            answers = await self._chain(turn)
        return answers

    async def _chain(self, *turn: int) -> tuple[str, ...]:
        answers: list[str] = []
        while len(answers) < self.slot.depth:
            answer = await self._answer(answers, *turn)
            if answer is None:
                break
            answers.append(answer)
        return tuple(answers)

    async def _unsolved(self) -> tuple[str, ...]:
        """Each answer is drawn until it is wrong; the chain ends where TRIES of them are not.

        Drawing whole chains anew would hardly ever meet a deep one that is unsolved.
        """
        answers: list[str] = []
        turn = 0
        while len(answers) < self.slot.depth and turn < TRIES:
            answer = await self._answer(answers, turn)
            if answer is None:
                break
            right = await self._right(answer)
            turn = turn + 1 if right else 0
            answers += [] if right else [answer]
        return tuple(answers)

    async def _answer(self, answers: Sequence[str], *turn: int) -> str | None:
        """The next answer of a chain, None if it failed."""
        messages = conversation(self.slot.problem.question, answers)
        seed = self.plan.seed("history", self.slot.step, self.slot.group, len(answers), *turn)
        made = await self.engine.generate(Request(messages, seed, self.decoding))
        if made.failure is not None:
            return None
        self.tokens += Tokens(made.ledger.prompt, made.ledger.generated)
        return made.text

    async def _solved(self, answers: Sequence[str]) -> bool:
        return any(await asyncio.gather(*(self._right(answer) for answer in set(answers))))

    async def _right(self, answer: str) -> bool:
        problem, grader = self.slot.problem, self.grader
        grade = await beside(grader, problem, answer) if waits(problem) else grader(problem, answer)
        return grade.correct


async def _fit_all(
    histories: Sequence[History], decoding: Decoding, engine: Engine, context: int | None
) -> list[History]:
    return [_fit(history, engine, decoding, context) for history in histories]


def _fit(history: History, engine: Engine, decoding: Decoding, context: int | None) -> History:
    for depth in range(len(history.answers), -1, -1):
        fitting = History(history.slot, history.answers[:depth])
        tokens = engine.count_prompt_tokens(fitting.messages)
        if context is None or tokens + decoding.max_new_tokens <= context:
            return fitting
    raise UsageError(
        f"train: the question {history.problem.question!r:.60} and max_new_tokens "
        f"{decoding.max_new_tokens} exceed the model's context of {context} tokens; "
        "lower sample.decoding.max_new_tokens"
    )


@dataclass(frozen=True)
class Share:
    """The process ``index`` of ``count`` works on a contiguous share of every step's groups."""

    index: int = 0
    count: int = 1

    def of(self, slots: list[Slot]) -> list[Slot]:
        size = len(slots) // self.count
        return slots[self.index * size : (self.index + 1) * size]


class HistoryBank(TrainerCallback):
    """The histories of the next steps, made anew every ``refresh`` steps.

    They are made when a step begins, from the adapter as it is then, or the untouched model, or
    taken from a replay. Every checkpoint stands at such a step, so a resumed run makes the same
    ones and nothing of the bank has to be saved.
    """

    def __init__(
        self,
        plan: Plan,
        decoding: Decoding,
        sampler: Sampler,
        refresh: int,
        steps: int,
        share: Share,
        replay: Replay | None = None,
    ) -> None:
        self._replay = replay
        self._plan, self._decoding, self._sampler = plan, decoding, sampler
        self._refresh, self._last, self._share = refresh, steps, share
        self._made: dict[int, list[History]] = {}
        self._tokens = Tokens()

    def at(self, step: int) -> list[History]:
        """The histories of this process's groups at a step counted from 0."""
        return self._made[step]

    def take_tokens(self) -> Tokens:
        """What making histories has taken since the last call."""
        tokens, self._tokens = self._tokens, Tokens()
        return tokens

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.prepare(state.global_step, kwargs["model"], kwargs["processing_class"])

    def prepare(self, first: int, model: Any, tokenizer: Any) -> None:
        """Make the histories of the steps from ``first`` on, if they are to be made there."""
        if first % self._refresh:
            return
        steps = range(first, min(first + self._refresh, self._last))
        slots = [slot for step in steps for slot in self._share.of(self._plan.slots(step))]
        made = self._make(slots, model, tokenizer)
        self._made = {s: [history for history in made if history.slot.step == s] for s in steps}

    def _make(self, slots: list[Slot], model: Any, tokenizer: Any) -> list[History]:
        if self._replay is not None:
            taken = [History(slot, self._replay.answers(self._plan, slot)) for slot in slots]
            return self._sampler.walk(model, tokenizer, partial(_fit_all, taken, self._decoding))
        made: dict[tuple[int, int], History] = {}
        for base in {slot.base for slot in slots}:
            some = [slot for slot in slots if slot.base == base]
            work = partial(make_histories, self._plan, some, self._decoding)
            histories, tokens = self._sampler.walk(model, tokenizer, work, untouched=base)
            made |= {(h.slot.step, h.slot.group): h for h in histories}
            self._tokens += tokens
        return [made[slot.step, slot.group] for slot in slots]
