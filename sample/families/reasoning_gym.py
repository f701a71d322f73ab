"""Procedural problems of the reasoning-gym library, with its own questions and scorers."""

import copy
from collections.abc import Iterator
from itertools import count
from typing import Any

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.graders.reasoning_gym import ARITHMETIC
from sample.problems import Problem
from sample.seeds import derive_seed

_ENDLESS = 2**31
_PREPARED = ("acre", "gsm_symbolic", "list_functions", "word_ladder")
"""Tasks that prepare as much as they are asked for at the start; they get it in parts."""
_PART = 500
_SUMS = ("basic_arithmetic", "chain_sum", "decimal_chain_sum", "products")
"""Tasks that put one expression into various words."""


def generate(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Problems of every split, without end; the same problem can come again.

    Raises:
        UsageError: no such task, or options it refuses.
    """
    try:
        for item in _items(config):
            yield _problem(family, config, item)
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"problems.{family}: reasoning-gym task {config.task!r}: {error}"
        ) from None


def _items(config: ProblemConfig) -> Iterator[dict[str, Any]]:
    """reasoning-gym seeds problem i with ``seed + i``, so the seed is a hash: two configs with
    neighbouring seeds must not share problems."""
    import reasoning_gym

    size = _PART if config.task in _PREPARED else _ENDLESS
    for part in count():
        seed = derive_seed("reasoning_gym", config.task, config.seed, *([part] if part else []))
        dataset = reasoning_gym.create_dataset(
            config.task, seed=seed, size=size, **copy.deepcopy(dict(config.options))
        )
        for index in range(size):
            yield dataset[index]


def _problem(family: str, config: ProblemConfig, item: dict[str, Any]) -> Problem:
    entry = {k: v for k, v in item["metadata"].items() if k not in ("difficulty", "source_index")}
    return Problem(
        family=family,
        question=item["question"].strip(),
        answer="" if item["answer"] is None else str(item["answer"]),
        grader="reasoning_gym",
        key=content_key(config.task, item["question"], entry),
        # As it is: some scorers tell tuples from lists.
        metadata={"task": config.task, "options": dict(config.options), "entry": entry},
    )


def content_key(task: str, question: str, entry: dict[str, Any]) -> str:
    """Equal for problems that differ in wording or in the order of the given numbers only."""
    if task in ARITHMETIC:
        return f"{task} {sorted(entry['numbers'])} {entry.get('target', 24)}"
    return f"{task} {entry['expression'] if task in _SUMS else question}"
