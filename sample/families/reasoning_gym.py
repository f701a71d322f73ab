"""Procedural problems of the reasoning-gym library, with its own questions and scorers."""

import json
from collections.abc import Iterator
from typing import Any

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.problems import Problem
from sample.seeds import derive_seed

_ENDLESS = 2**31


def generate(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Problems of every split, without end; the same problem can come again.

    reasoning-gym seeds problem i with ``seed + i``, so the seed is a hash: two configs with
    neighbouring seeds must not share problems.

    Raises:
        UsageError: no such task, or options it refuses.
    """
    import reasoning_gym

    seed = derive_seed("reasoning_gym", config.task, config.seed)
    try:
        dataset = reasoning_gym.create_dataset(
            config.task, seed=seed, size=_ENDLESS, **config.options
        )
        for index in range(_ENDLESS):
            yield _problem(family, config.task, dataset[index])
    except (AssertionError, TypeError, ValueError) as error:
        raise UsageError(
            f"problems.{family}: reasoning-gym task {config.task!r}: {error}"
        ) from None


def _problem(family: str, task: str, item: dict[str, Any]) -> Problem:
    entry = {k: v for k, v in item["metadata"].items() if k not in ("difficulty", "source_index")}
    return Problem(
        family=family,
        question=item["question"].strip(),
        answer=str(item["answer"]),
        grader="reasoning_gym",
        key=content_key(task, item["question"], entry),
        metadata={"task": task, "entry": json.loads(json.dumps(entry, default=str))},
    )


def content_key(task: str, question: str, entry: dict[str, Any]) -> str:
    """Equal for problems that differ in wording or in the order of the given numbers only."""
    if task == "countdown":
        return f"countdown {sorted(entry['numbers'])} {entry['target']}"
    return f"{task} {entry.get('expression', question)}"
