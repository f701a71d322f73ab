"""What algorithm sft learns of a run in place of drawing: some of its base model's attempts."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

from sample.config import SampleConfig, need, parse, read_yaml
from sample.engines.chat import Chat
from sample.models import TransformersModel
from sample.problems import Problem
from sample.prompts import conversation
from sample.records import Attempt
from sample.runfolder import RunFolder
from sample.strategies.sequential import Options
from train.config import TrainConfig
from train.replay import Replay
from train.unrepeated import unrepeated

APART = 0.1
"""Share of its tokens by which the written ids of an attempt may differ in number from the drawn
ones. Beyond it the tokenizer has another spelling than the model drew, which it finds unlikely."""


@dataclass(frozen=True)
class Recorded:
    """An attempt of a run. answers: the texts of the earlier attempts that it is learned after; an
    attempt of a pool can be learned after several. learned: cut-off attempts, which have no end to
    learn, never are."""

    problem: Problem
    answers: tuple[str, ...]
    attempt: Attempt
    learned: bool

    def ids(self, chat: Chat) -> tuple[list[int], list[int]]:
        """Of the prompt and of the attempt, as the tokenizer writes them; a record has no ids."""
        prompt = chat.prompt(conversation(self.problem.question, self.answers))
        return prompt.ids, chat.attempt(prompt, self.attempt)


def recorded_of(
    replay: Replay | None,
    model: TransformersModel,
    config: TrainConfig,
    method: str,
    attempts: int,
) -> list[Recorded] | None:
    """The attempts that the method learns from, those it leaves out among them, if it names a run.

    replay: of the method. attempts: N, of a chain.

    Raises:
        UsageError: the run is of another model, or none of its attempts is to be learned.
    """
    path = config.methods[method].recorded
    if path is None:
        return None
    assert replay is not None
    where = f"train.methods.{method}.histories.replay: {path}"
    sample = parse(SampleConfig, read_yaml(RunFolder(Path(path)).config)["sample"], path)
    recorded = sample.models.get(config.model)
    drawn_from = getattr(recorded, "path", None)
    need(drawn_from == model.path, where, f"a run of {config.model} = {model.path}", drawn_from)
    asked, shown = dict(model.chat_template), dict(getattr(recorded, "chat_template", {}))
    need(asked == shown, where, f"a run with chat_template: {asked}, so the same prompts", shown)
    if config.methods[method].learn == "new":
        draws = config.methods[method].draws
        kind, found = "well-formed", list(_new(replay, sample, config.model, attempts, draws))
    else:
        kind, found = "correct", list(_correct(replay, sample, config.model))
    some = f"a {kind} attempt of {config.model} to learn"
    need(any(one.learned for one in found), where, some, f"none among {len(found)}")
    return found


def _new(
    replay: Replay, sample: SampleConfig, system: str, most: int, draws: int
) -> Iterator[Recorded]:
    """All attempts at a bare question are one pool, see ``train.unrepeated``."""
    bare = _bare(sample)
    for problem in (one for problems in replay.families.values() for one in problems):
        attempts = [one for chain in replay.chains[problem.id] for one in chain]
        pool = [one for one in attempts if one.system == system and one.arm in bare]
        forms = [one.canonical if one.finish == "stop" else None for one in pool]
        places = list(unrepeated([one.text for one in pool], forms, most, draws))
        for index, answers in places:
            yield Recorded(problem, answers, pool[index], True)
        learned = {index for index, _ in places}
        for index in sorted(set(range(len(pool))) - learned):
            yield Recorded(problem, (), pool[index], False)


def _bare(sample: SampleConfig) -> set[str]:
    return {name for name, arm in sample.arms.items() if arm.strategy == "parallel"}


def _correct(replay: Replay, sample: SampleConfig, system: str) -> Iterator[Recorded]:
    """Those after the bare question, or after earlier answers that are shown as in training."""
    bare = _bare(sample)
    shown = {
        name
        for name, arm in sample.arms.items()
        if arm.strategy == "sequential" and parse(Options, arm.options, name) == Options()
    }
    for problem in (one for problems in replay.families.values() for one in problems):
        for chain in replay.chains[problem.id]:
            texts = tuple(attempt.text for attempt in chain)
            for k, one in enumerate(chain):
                if one.system == system and one.arm in bare | shown:
                    answers = () if one.arm in bare else texts[:k]
                    right = one.correct is True and one.finish == "stop"
                    yield Recorded(problem, answers, one, right)


def recorded_lines(found: Sequence[Recorded], chat: Chat, steps: int) -> list[dict[str, Any]]:
    """What ``train.sft.draw`` gives of every step. Nothing is drawn; the numbers are those of all
    attempts of the run, and the examples, equal ones once, are all in the first line.

    Raises:
        UsageError: none of those to learn is spelled as it was drawn.
    """
    kept = [pair for _, pair in _spelled(found, chat)]
    examples = list({(tuple(p), tuple(t)): (p, t) for p, t in kept}.values())
    numbers = _numbers(found)
    return [{"examples": [] if step else examples, "numbers": numbers} for step in range(steps)]


def recorded_pools(
    found: Sequence[Recorded], chat: Chat, steps: int, seed: int
) -> list[dict[str, Any]]:
    """The same of pools: in each step as many of them as all of them need, in an order of the seed
    and, where they are too few, again and again.

    Raises:
        UsageError: see ``recorded_lines``.
    """
    by_problem: dict[str, list[tuple[list[int], list[int]]]] = {}
    for one, pair in _spelled(found, chat):
        by_problem.setdefault(one.problem.id, []).append(pair)
    pools, numbers = list(by_problem.values()), _numbers(found)
    Random(seed).shuffle(pools)
    if steps >= 2 * len(pools):
        warnings.warn(
            f"train: {steps} steps go {steps / len(pools):.0f} times over the {len(pools)} pools; "
            "take a larger run or fewer steps",
            stacklevel=2,
        )
    each, again = -(-len(pools) // steps), cycle(pools)
    taken = [[pair for pool in islice(again, each) for pair in pool] for _ in range(steps)]
    return [{"examples": examples, "numbers": numbers} for examples in taken]


def _spelled(
    found: Sequence[Recorded], chat: Chat
) -> list[tuple[Recorded, tuple[list[int], list[int]]]]:
    """Those to learn that the tokenizer writes as they were drawn, with their ids."""
    pairs = [(one, one.ids(chat)) for one in found if one.learned]
    drawn = [one.attempt.ledger.generated for one, _ in pairs]
    kept = [
        (one, (prompt, ids))
        for (one, (prompt, ids)), count in zip(pairs, drawn, strict=True)
        if abs(len(ids) - count) <= APART * count
    ]
    some = "attempts of this model, with as many tokens as its tokenizer makes of them"
    need(bool(kept), "histories.replay", some, "none such")
    return kept


def _numbers(found: Sequence[Recorded]) -> dict[str, float]:
    """Of all attempts, once each."""
    attempts = list({id(one.attempt): one.attempt for one in found}.values())
    right = [one for one in attempts if one.correct is True and one.finish == "stop"]
    accuracy = len(right) / len(attempts)
    return {
        "reward": accuracy,
        "accuracy": accuracy,
        "valid": sum(one.canonical is not None for one in attempts) / len(attempts),
        "paid_quality": accuracy,
        "prompt_tokens": 0,
        "generated_tokens": 0,
    }
