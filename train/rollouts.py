"""The attempts of a step: sampled from the live adapter, graded, handed to the trainer as tokens.

The trainer's own sampling is ``generate`` of transformers, which pads every prompt to the longest
and runs until the last attempt ends; the engine's continuous batch is several times as fast, and
gives each attempt its own seed. The ids that are learned are the ids that were drawn.
"""

from dataclasses import dataclass
from typing import Any

from sample.engines.base import Decoding
from sample.engines.batch import Sequence
from sample.engines.chat import Chat, Prompt
from sample.errors import ForageError
from sample.models import TransformersModel
from train.dataset import Plan
from train.embedding import Embedding
from train.grader import Grader
from train.groups import Group
from train.histories import History, HistoryBank, Tokens
from train.samplers import Sampler


@dataclass(frozen=True)
class Rolled:
    """The attempts of a step: as many sequences for each group, in order.

    logprobs: see ``Sampler.draw``.
    """

    sequences: list[Sequence]
    groups: list[Group]
    tokens: Tokens
    logprobs: list[list[float]] | None


class Rollouts:
    """TRL's ``rollout_func``: group_size attempts from each history of the step.

    scored: a reward asks for the log-probabilities of attempts. embedding: of answers, where a
    reward asks for it.
    """

    def __init__(
        self,
        plan: Plan,
        bank: HistoryBank,
        decoding: Decoding,
        model: TransformersModel,
        group_size: int,
        sampler: Sampler,
        scored: bool = False,
        embedding: Embedding | None = None,
    ) -> None:
        self._plan, self._bank, self._decoding = plan, bank, decoding
        self._model, self._group_size = model, group_size
        self._sampler, self._scored, self._embedding = sampler, scored, embedding
        families = plan.families.values()
        self._grade = Grader({p.id: p for problems in families for p in problems})

    def __call__(self, rows: list[Any], trainer: Any) -> dict[str, Any]:
        """
        rows: the bare questions of this process's attempts, each group_size times in a row.

        Returns:
            Ids of prompts and attempts, and for the reward: ``groups`` (each group once a row) and
            ``tokens`` (all that the step has taken, histories included).
        """
        step = trainer.state.global_step
        self._require_order(rows, self._bank.at(step))
        stops = set(trainer.eos_token_ids)
        made = self.roll(step, trainer.model, trainer.processing_class, stops)
        return {
            "prompt_ids": [sequence.prompt for sequence in made.sequences],
            "completion_ids": [sequence.tokens for sequence in made.sequences],
            "logprobs": made.logprobs,
            "groups": [group for group in made.groups for _ in range(self._group_size)],
            "tokens": made.tokens,
        }

    def roll(self, step: int, model: Any, tokenizer: Any, stops: set[int]) -> Rolled:
        """The attempts of a step counted from 0. model: a PEFT model, which may be in training."""
        histories = self._bank.at(step)
        chat = Chat(tokenizer, self._model.chat_template)
        prompts = [chat.prompt(history.messages) for history in histories]
        sequences = [
            self._sequences(history, prompt.ids)
            for history, prompt in zip(histories, prompts, strict=True)
        ]
        flat = [sequence for group in sequences for sequence in group]
        logprobs = self._sampler.draw(model, flat, stops, self._scored)
        texts = [
            [final_answer(chat, prompt, sequence.tokens, stops) for sequence in made]
            for prompt, made in zip(prompts, sequences, strict=True)
        ]
        pairs = list(zip(histories, texts, strict=True))
        self._grade.ahead((h.problem, text) for h, made in pairs for text in (*h.answers, *made))
        groups = [
            self._group(history, made, answers)
            for (history, answers), made in zip(pairs, sequences, strict=True)
        ]
        if self._embedding is not None:
            groups = self._embedding(groups, model, tokenizer)
        return Rolled(flat, groups, self._bank.take_tokens() + _tokens(flat), logprobs)

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

    def _group(self, history: History, made: list[Sequence], texts: list[str]) -> Group:
        problem = history.problem
        past = tuple(self._grade(problem, text) for text in history.answers)
        attempts = tuple(self._grade(problem, text) for text in texts)
        lengths = tuple(len(sequence.tokens) for sequence in made)
        logps = tuple(sequence.logp for sequence in made) if self._scored else None
        return Group(problem.family, past, attempts, lengths, logps, history.answers, tuple(texts))


def final_answer(chat: Chat, prompt: Prompt, tokens: list[int], stops: set[int]) -> str:
    """The final answer of a generation; empty if it was cut off, so that it earns nothing."""
    if tokens[-1] not in stops:
        return ""
    return chat.generation(prompt, tokens, True, None, 0.0).text


def _tokens(sequences: list[Sequence]) -> Tokens:
    return Tokens(sum(len(s.prompt) for s in sequences), sum(len(s.tokens) for s in sequences))
