"""The attempts of a step: sampled from the live adapter, graded, handed to the trainer as tokens.

The trainer's own sampling is ``generate`` of transformers, which pads every prompt to the longest
and runs until the last attempt ends; the engine's continuous batch is several times as fast, and
gives each attempt its own seed. The ids that are learned are the ids that were drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sample.engines.base import Decoding
from sample.engines.batch import Sequence
from sample.engines.chat import Chat, Prompt
from sample.errors import ForageError
from sample.graders.base import NO_ANSWER
from sample.grading import Grade, GradingError, grade
from sample.models import TransformersModel
from sample.problems import Problem
from train.dataset import Plan
from train.histories import History, HistoryBank, Tokens
from train.samplers import LiveSampler, Sampler


@dataclass(frozen=True)
class Group:
    """Attempts from the same history, all graded. family: of their problem."""

    family: str
    history: tuple[Grade, ...]
    attempts: tuple[Grade, ...]


class Grader:
    """Grades a text against a problem once, however often it comes back."""

    def __init__(self, problems: Mapping[str, Problem]) -> None:
        self._problems = problems
        self._graded = lru_cache(maxsize=2**16)(self._grade)

    def __call__(self, problem: Problem, text: str) -> Grade:
        return self._graded(problem.id, text)

    def _grade(self, problem: str, text: str) -> Grade:
        try:
            return grade(self._problems[problem], text)
        except GradingError:
            # A reward must be a number: an answer that cannot be judged earns nothing.
            return NO_ANSWER


class Rollouts:
    """TRL's ``rollout_func``: group_size attempts from each history of the step."""

    def __init__(
        self,
        plan: Plan,
        bank: HistoryBank,
        decoding: Decoding,
        model: TransformersModel,
        group_size: int,
        sampler: Sampler | None = None,
    ) -> None:
        self._plan, self._bank, self._decoding = plan, bank, decoding
        self._model, self._group_size = model, group_size
        self._sampler = sampler or LiveSampler(model)
        families = plan.families.values()
        self._grade = Grader({p.id: p for problems in families for p in problems})

    def __call__(self, rows: list[Any], trainer: Any) -> dict[str, Any]:
        """
        rows: the bare questions of this process's attempts, each group_size times in a row.

        Returns:
            Ids of prompts and attempts, and for the reward: ``groups`` (each group once a row) and
            ``tokens`` (all that the step has taken, histories included).
        """
        histories = self._bank.at(trainer.state.global_step)
        self._require_order(rows, histories)
        stops = set(trainer.eos_token_ids)
        chat = Chat(trainer.processing_class, self._model.chat_template)
        prompts = [chat.prompt(history.messages) for history in histories]
        sequences = [
            self._sequences(history, prompt.ids)
            for history, prompt in zip(histories, prompts, strict=True)
        ]
        flat = [sequence for group in sequences for sequence in group]
        logprobs = self._sampler.draw(trainer.model, flat, stops)
        groups = [
            self._group(history, [final_answer(chat, prompt, s.tokens, stops) for s in made])
            for history, prompt, made in zip(histories, prompts, sequences, strict=True)
        ]
        return {
            "prompt_ids": [sequence.prompt for sequence in flat],
            "completion_ids": [sequence.tokens for sequence in flat],
            "logprobs": logprobs,
            "groups": [group for group in groups for _ in range(self._group_size)],
            "tokens": self._bank.take_tokens() + _tokens(flat),
        }

    def _require_order(self, rows: list[Any], histories: list[History]) -> None:
        expected = [h.problem.question for h in histories for _ in range(self._group_size)]
        if [row[0]["content"] for row in rows] != expected:
            raise ForageError(
                "the trainer's rows are not the plan's: the installed trl orders its data in "
                "another way; install the trl version that this package asks for"
            )

    def _sequences(self, history: History, prompt: list[int]) -> list[Sequence]:
        place = ("attempt", history.slot.step, history.slot.group)
        seeds = [self._plan.seed(*place, index) for index in range(self._group_size)]
        return [Sequence(prompt, seed, self._decoding) for seed in seeds]

    def _group(self, history: History, texts: list[str]) -> Group:
        problem = history.problem
        past = tuple(self._grade(problem, text) for text in history.answers)
        return Group(problem.family, past, tuple(self._grade(problem, text) for text in texts))


def final_answer(chat: Chat, prompt: Prompt, tokens: list[int], stops: set[int]) -> str:
    """The final answer of a generation; empty if it was cut off, so that it earns nothing."""
    if tokens[-1] not in stops:
        return ""
    return chat.generation(prompt, tokens, True, None, 0.0).text


def _tokens(sequences: list[Sequence]) -> Tokens:
    return Tokens(sum(len(s.prompt) for s in sequences), sum(len(s.tokens) for s in sequences))
