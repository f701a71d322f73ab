"""Which problem, at which depth, each group of each step is made from.

The plan is fixed before training: it depends on the config and the seeds alone. A row of the
trainer's dataset carries the bare question only. The conversation with its history is put together
when the step begins, because the data loader reads a step's rows while the step before it still
runs: an earlier look would see the histories of an older adapter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from sample.problems import Problem
from sample.seeds import derive_seed
from train.method_config import HistoryConfig

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Slot:
    """One group to come. depth: k, how many earlier answers its history holds.

    base: the untouched model makes them. solved: whether a correct one shall be among them; None =
    as it comes.
    """

    step: int
    group: int
    problem: Problem
    depth: int
    base: bool = False
    solved: bool | None = None


@dataclass(frozen=True)
class Plan:
    """families: the training problems of each. depths: k is drawn from 0..depths-1.

    key: what every draw is seeded with, e.g. (run seed, "train", method, seed).
    history: how k is drawn, and what else is drawn for a history.
    """

    families: Mapping[str, Sequence[Problem]]
    groups: int
    depths: int
    key: tuple[object, ...]
    history: HistoryConfig = field(default_factory=HistoryConfig)

    def seed(self, *parts: object) -> int:
        return derive_seed(*self.key, *parts)

    def slots(self, step: int) -> list[Slot]:
        """The groups of one step, counted from 0; families take turns."""
        names = list(self.families)
        return [self._slot(step, g, names[g % len(names)], len(names)) for g in range(self.groups)]

    def _slot(self, step: int, group: int, family: str, families: int) -> Slot:
        problems = self.families[family]
        lap, place = divmod((step * self.groups + group) // families, len(problems))
        order = _order(self.seed("order", family, lap), len(problems))
        depth = self._depth(Random(self.seed("depth", step, group)))
        base = self._is("base", self.history.base, step, group)
        share = self.history.solved
        solved = None if share is None or not depth else self._is("solved", share, step, group)
        return Slot(step, group, problems[order[place]], depth, base, solved)

    def _depth(self, random: Random) -> int:
        weights = self.history.depths
        if not weights or self.depths == 1:
            return random.randrange(self.depths)
        return random.choices(range(len(weights)), weights)[0]

    def _is(self, what: str, share: float, step: int, group: int) -> bool:
        return Random(self.seed(what, step, group)).random() < share


@lru_cache
def _order(seed: int, count: int) -> list[int]:
    return Random(seed).sample(range(count), count)


def dataset(plan: Plan, steps: int) -> "Dataset":
    """One row for each (step, group), in the order in which the trainer takes them."""
    from datasets import Dataset

    slots = [slot for step in range(steps) for slot in plan.slots(step)]
    return Dataset.from_dict(
        {
            "prompt": [[{"role": "user", "content": slot.problem.question}] for slot in slots],
            "step": [slot.step for slot in slots],
            "group": [slot.group for slot in slots],
        }
    )
