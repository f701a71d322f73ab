"""Which problems one adapter is trained on."""

from dataclasses import replace

from sample.families import held_out_keys, load_problems
from train.checks import check_problems
from train.dataset import Plan
from train.method_config import HistoryConfig
from train.replay import Replay
from train.task import Task


def training_plan(task: Task, replay: Replay | None = None) -> Plan:
    """The plan over the train splits of the problems, without anything in an evaluation set, or
    over the problems of ``replay``.

    Raises:
        UsageError: a family has too few problems.
    """
    config = task.own
    history = config.methods[task.method].drawn
    depths = task.attempts if history else 1
    key = (task.run_seed, "train", task.method, task.seed)
    drawn = history or HistoryConfig()
    if replay is not None:
        return Plan(replay.families, config.groups, depths, key, drawn)
    trained, without = task.trained, held_out_keys(task.problems)
    used = -(-config.steps * config.groups // len(trained))
    count = min(config.problem_count, used)
    families = {
        name: load_problems(
            name, replace(family, split="train", count=count, seed=config.problem_seed), without
        )
        for name, family in trained.items()
    }
    check_problems(families)
    return Plan(families, config.groups, depths, key, drawn)
