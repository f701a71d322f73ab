"""Which problems one adapter is trained on."""

from collections.abc import Mapping
from dataclasses import replace

from sample.config import ProblemConfig
from sample.families import held_out_keys, load_problems
from train.checks import check_problems
from train.config import TrainConfig
from train.dataset import Plan
from train.families import trainable_families
from train.method_config import HistoryConfig
from train.replay import Replay


def training_plan(
    problems: Mapping[str, ProblemConfig],
    attempts: int,
    config: TrainConfig,
    method: str,
    seed: int,
    run_seed: int,
    replay: Replay | None = None,
) -> Plan:
    """The plan over the train splits of ``problems``, without anything in an evaluation set, or
    over the problems of ``replay``.

    Raises:
        UsageError: a family has too few problems.
    """
    history = config.methods[method].drawn
    depths = attempts if history else 1
    key = (run_seed, "train", method, seed)
    drawn = history or HistoryConfig()
    if replay is not None:
        return Plan(replay.families, config.groups, depths, key, drawn)
    trained = trainable_families(problems, config, method)
    without = held_out_keys(problems)
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
