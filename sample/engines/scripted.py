"""Attempts from a law with planted causes, which stands in ``ScriptedModel``, and no model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any

from scipy.special import expit

from sample.config import parse, plain, read_yaml
from sample.engines.base import Decoding, Generation, Message, Request
from sample.engines.wrong_answers import wrong_answers
from sample.errors import ForageError, UsageError
from sample.models import ScriptedModel
from sample.problems import Problem
from sample.records import Failure, Ledger
from sample.seeds import derive_seed


def load_scripted(
    model: ScriptedModel, adapter: str | None, problems: Mapping[str, Problem]
) -> "ScriptedEngine":
    """The engine of a law, changed by the options in the YAML file ``adapter`` if given.

    Raises:
        UsageError: no such file, or not options of a scripted model.
    """
    if adapter is not None:
        options = plain(model) | read_yaml(Path(adapter))
        model = parse(ScriptedModel, options, f"adapter {adapter}")
        model.check(f"adapter {adapter}", Decoding())
    return ScriptedEngine(model, problems)


@dataclass(frozen=True)
class _Answers:
    """What is said on one problem. ability: p_i. weights: of ``wrong``, cumulated."""

    ability: float
    right: str
    wrong: list[str]
    weights: list[float]


class ScriptedEngine:
    """The ``Engine`` of a law. problems: by id, each with an answer that its grader accepts."""

    def __init__(self, model: ScriptedModel, problems: Mapping[str, Problem]) -> None:
        self._model, self._problems = model, problems
        self._abilities = abilities(model, problems)
        self._answers = lru_cache(maxsize=None)(self._answers_of)
        ranks = range(1, model.wrong_answers + 1)
        self._weights = list(accumulate(rank**-model.wrong_skew for rank in ranks))

    async def generate(self, request: Request) -> Generation:
        """See ``Engine``. What is drawn depends on the request alone.

        Raises:
            UsageError: a prefill.
            ForageError: a request for a problem the engine was not made with.
        """
        if request.prefill:
            raise UsageError(
                "engine scripted has no thinking to go on from; drop arms with prefill"
            )
        model, rng = self._model, Random(request.seed)
        prompt = self.count_prompt_tokens(request.messages)
        if rng.random() < model.failures:
            failure = Failure("scripted", "a planted failure")
            return Generation("", "", "error", Ledger(prompt, 0, 0, 0, 0.0), failure)
        length = rng.random()
        answer = self._answer(request, prompt, rng)
        right = answer == self._problems[request.problem].answer
        mean = model.thinking_tokens * (1 if right else model.wrong_length)
        thinking = _geometric(mean, length)
        written, room = len(answer.split()), request.decoding.max_new_tokens
        if thinking + written > room:
            return Generation("...", "", "length", Ledger(prompt, 0, room, 0, 0.0))
        return Generation("...", answer, "stop", Ledger(prompt, 0, thinking, written, 0.0))

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        """Words of all messages."""
        return sum(len(message["content"].split()) for message in messages)

    def _answer(self, request: Request, prompt: int, rng: Random) -> str:
        shown = [m["content"] for m in request.messages if m["role"] == "assistant"]
        shown = [answer for answer in shown if answer.strip()]
        if request.problem not in self._problems:
            raise ForageError(f"scripted engine: no problem {request.problem!r}")
        if shown and rng.random() < self._model.reuse:
            return rng.choice(shown)
        answers = self._answers(request.problem)
        if rng.random() < chance(self._model, answers.ability, prompt, bool(shown)):
            return answers.right
        return rng.choices(answers.wrong, cum_weights=answers.weights)[0]

    def _answers_of(self, problem: str) -> _Answers:
        gold = self._problems[problem]
        wrong = wrong_answers(gold, self._model.wrong_answers)
        return _Answers(self._abilities[problem], gold.answer, wrong, self._weights[: len(wrong)])


def chance(model: ScriptedModel, ability: float, prompt: int, exposed: bool) -> float:
    """The probability that a fresh attempt is correct.

    ability: p_i, strictly between 0 and 1. prompt: tokens. exposed: whether answers are shown.
    """
    logit = math.log(ability / (1 - ability)) + model.context_effect * prompt / 1000
    return float(expit(logit + model.exposure_effect * exposed))


def abilities(model: ScriptedModel, problems: Mapping[str, Any]) -> dict[str, float]:
    """p_i of each problem, by id; within [1e-9, 1 - 1e-9]."""
    if model.spread == 0:
        return dict.fromkeys(problems, model.accuracy)
    from scipy.stats import beta

    # A Beta distribution's intraclass correlation is 1 / (a + b + 1).
    size = 1 / model.spread - 1
    quantiles = [derive_seed("ability", problem) / 2**63 for problem in problems]
    drawn = beta.ppf(quantiles, model.accuracy * size, (1 - model.accuracy) * size)
    return dict(zip(problems, drawn.clip(1e-9, 1 - 1e-9).tolist(), strict=True))


def _geometric(mean: float, uniform: float) -> int:
    """A number of tokens, 1 or more, by inverse CDF."""
    if mean == 1:
        return 1
    return 1 + int(math.log1p(-uniform) / math.log1p(-1 / mean))
