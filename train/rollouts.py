"""The attempts of a step: sampled from the live adapter, graded, handed to the trainer as tokens.

The trainer's own sampling is ``generate`` of transformers, which pads every prompt to the longest
and runs until the last attempt ends; the engine's continuous batch is several times as fast, and
gives each attempt its own seed. The ids that are learned are the ids that were drawn.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from transformers import PreTrainedTokenizerBase

from sample.engines.base import Decoding
from sample.engines.batch import Batch, Sequence
from sample.engines.thinking import ThinkingTags, prompt_opens_thinking
from sample.errors import ForageError
from sample.graders.base import NO_ANSWER
from sample.grading import Grade, GradingError, grade
from sample.models import TransformersModel
from sample.problems import Problem
from train.dataset import Plan
from train.histories import History, HistoryBank, Tokens


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


class Prompts:
    """Conversations as the model reads them, and generations as the grader does."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, options: Mapping[str, Any], stops: set[int]
    ) -> None:
        self._tokenizer, self._options, self._stops = tokenizer, dict(options), stops
        self._tags = ThinkingTags(tokenizer)

    def render(self, history: History) -> str:
        text = self._tokenizer.apply_chat_template(
            history.messages, tokenize=False, add_generation_prompt=True, **self._options
        )
        assert isinstance(text, str)
        return text

    def encode(self, text: str) -> list[int]:
        # The template has written the special tokens already.
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[return-value]

    def answer(self, tokens: list[int], prompt: str) -> str:
        """The final answer of a generation; empty if it was cut off, so that it earns nothing."""
        if tokens[-1] not in self._stops:
            return ""
        return self._tags.split(tokens[:-1], prompt_opens_thinking(prompt)).text


class Rollouts:
    """TRL's ``rollout_func``: group_size attempts from each history of the step."""

    def __init__(
        self,
        plan: Plan,
        bank: HistoryBank,
        decoding: Decoding,
        model: TransformersModel,
        group_size: int,
    ) -> None:
        self._plan, self._bank, self._decoding = plan, bank, decoding
        self._model, self._group_size = model, group_size
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
        prompts = Prompts(trainer.processing_class, self._model.chat_template, stops)
        texts = [prompts.render(history) for history in histories]
        sequences = [
            self._sequences(history, prompts.encode(text))
            for history, text in zip(histories, texts, strict=True)
        ]
        flat = [sequence for group in sequences for sequence in group]
        generate(trainer.model, flat, self._model.batch, stops)
        groups = [
            self._group(history, [prompts.answer(s.tokens, text) for s in made])
            for history, text, made in zip(histories, texts, sequences, strict=True)
        ]
        return {
            "prompt_ids": [sequence.prompt for sequence in flat],
            "completion_ids": [sequence.tokens for sequence in flat],
            "logprobs": None,
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


def generate(model: Any, sequences: list[Sequence], slots: int, stops: set[int]) -> None:
    """Fill in the tokens of all sequences; ``slots`` of them run at once.

    model: a PEFT model, which may be in training.
    """
    batch = Batch(model.get_base_model(), min(slots, len(sequences)), sorted(stops))
    waiting = list(sequences)
    with evaluating(model):
        while waiting or batch.live:
            joining, waiting = waiting[: batch.room], waiting[batch.room :]
            if joining:
                batch.join(joining)
            batch.step()


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Eval mode, and the model's own mode again afterwards."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _tokens(sequences: list[Sequence]) -> Tokens:
    return Tokens(sum(len(s.prompt) for s in sequences), sum(len(s.tokens) for s in sequences))
