"""Histories out of the records of a run: attempts that are paid for already."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from sample.config import ProblemConfig, SampleConfig, need, parse, read_yaml
from sample.families import held_out_keys, load_problems
from sample.problems import Problem
from sample.records import Attempt
from sample.runfolder import RunFolder
from sample.store import read_attempts
from train.config import TrainConfig
from train.dataset import Plan, Slot
from train.families import trainable_families

STRATEGIES = ("parallel", "sequential")
"""Those whose attempts are a model's own answers to the bare question, or after its own answers."""

Chain = tuple[Attempt, ...]


@dataclass(frozen=True)
class Replay:
    """families: the problems that have chains. chains: of each problem id, in step order."""

    families: Mapping[str, Sequence[Problem]]
    chains: Mapping[str, Sequence[Chain]]

    def answers(self, plan: Plan, slot: Slot) -> tuple[str, ...]:
        """The first texts of one chain, drawn among those that are deep enough and, if the slot
        asks for it, hold a correct answer or none; where none does, among the next best."""
        if not slot.depth:
            return ()
        chains = self.chains[slot.problem.id]
        deepest = min(slot.depth, max(map(len, chains)))
        cut = [chain[:deepest] for chain in chains if len(chain) >= deepest]
        asked = [c for c in cut if slot.solved in (None, any(one.correct for one in c))]
        chosen = Random(plan.seed("replay", slot.step, slot.group)).choice(asked or cut)
        return tuple(attempt.text for attempt in chosen)


def replay_of(
    problems: Mapping[str, ProblemConfig], config: TrainConfig, method: str
) -> Replay | None:
    """The run that the method takes its histories from, if it names one.

    Raises:
        UsageError: see ``read_replay``.
    """
    history = config.methods[method].history
    if history is None or history.replay is None:
        return None
    trained = trainable_families(problems, config, method)
    return read_replay(history.replay, trained, held_out_keys(problems))


def read_replay(path: str, trained: Mapping[str, ProblemConfig], without: frozenset[str]) -> Replay:
    """The chains of a run on the families that are trained on.

    without: keys of problems that must not be among them.

    Raises:
        UsageError: no run folder, problems of another split or set, or no attempts on them.
    """
    folder = RunFolder(Path(path))
    sample = parse(SampleConfig, read_yaml(folder.config).get("sample"), f"{path}: sample")
    arms = {name for name, arm in sample.arms.items() if arm.strategy in STRATEGIES}
    chains = _chains(a for a in read_attempts(folder.attempts) if a.arm in arms)
    families = {
        name: [p for p in _problems(path, name, family, sample, without) if p.id in chains]
        for name, family in trained.items()
    }
    for name, problems in families.items():
        some = f"attempts of the strategies {' or '.join(STRATEGIES)} on {name}"
        need(bool(problems), f"histories.replay: {path}", some, "none")
    return Replay(families, chains)


def _problems(
    path: str, name: str, family: ProblemConfig, sample: SampleConfig, without: frozenset[str]
) -> list[Problem]:
    where = f"histories.replay: {path}: problems.{name}"
    need(name in sample.problems, where, f"a set of that name, as {name} is trained on", "none")
    recorded = sample.problems[name]
    train = "split: train, as test and dev problems are never trained on"
    need(recorded.split == "train", where, train, f"split: {recorded.split}")
    for key in ("source", "task", "options", "prompt", "graded"):
        now = getattr(family, key)
        need(getattr(recorded, key) == now, f"{where}.{key}", repr(now), getattr(recorded, key))
    return [problem for problem in load_problems(name, recorded) if problem.key not in without]


def _chains(attempts: Iterable[Attempt]) -> dict[str, list[Chain]]:
    """Of each problem; a chain ends before its first failed or missing attempt."""
    found: dict[tuple[str, str, str, int], dict[int, Attempt]] = defaultdict(dict)
    for attempt in attempts:
        if attempt.failure is None:
            place = (attempt.problem, attempt.system, attempt.arm, attempt.replicate)
            found[place][attempt.step] = attempt
    chains: dict[str, list[Chain]] = defaultdict(list)
    for (problem, *_), steps in sorted(found.items()):
        whole = next(n for n in range(len(steps) + 1) if n + 1 not in steps)
        if whole:
            chains[problem].append(tuple(steps[step] for step in range(1, whole + 1)))
    return dict(chains)
