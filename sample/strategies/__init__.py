"""The strategies by name; the rule of each is the first line of its function's docstring."""

import difflib
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sample.config import ArmConfig, parse
from sample.errors import UsageError
from sample.strategies import irrelevant_context, parallel, sequential, swapped_history
from sample.strategies.base import Strategy

STRATEGIES: Mapping[str, Strategy] = {
    "parallel": Strategy(parallel.parallel, parallel.Options),
    "sequential": Strategy(sequential.sequential, sequential.Options),
    "irrelevant_context": Strategy(
        irrelevant_context.irrelevant_context, irrelevant_context.Options, ("match",)
    ),
    "swapped_history": Strategy(
        swapped_history.swapped_history, swapped_history.Options, ("pool",)
    ),
}


def find_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        UsageError: no such strategy; the text lists all with their rules.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    near = difflib.get_close_matches(name, STRATEGIES, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    rules = "; ".join(f"{key}: {strategy.rule}" for key, strategy in STRATEGIES.items())
    raise UsageError(f"config: no strategy {name!r}; {hint}strategies: {rules}")


def arm_options(name: str, arm: ArmConfig) -> Any:
    """The options of an arm as its strategy's dataclass.

    Raises:
        UsageError: unknown strategy, unknown option or wrong type.
    """
    return parse(find_strategy(arm.strategy).options, arm.options, f"sample.arms.{name}.options")


def needed_arms(name: str, arm: ArmConfig) -> tuple[str, ...]:
    """The arms whose finished attempts this arm reads."""
    options = arm_options(name, arm)
    return tuple(getattr(options, option) for option in find_strategy(arm.strategy).needs)


def check_arms(arms: Mapping[str, ArmConfig]) -> None:
    """Refuse arms that could never run.

    Raises:
        UsageError: unknown strategy or option; an arm that reads one that is not there, that runs
            on fewer systems, or that in turn waits for it.
    """
    graph = {name: needed_arms(name, arm) for name, arm in arms.items()}
    for name, needed in graph.items():
        for other in needed:
            _check_need(name, other, arms)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise UsageError(
            f"config: arms wait for each other: {' -> '.join(error.args[1])}"
        ) from None


def _check_need(name: str, other: str, arms: Mapping[str, ArmConfig]) -> None:
    if other not in arms:
        known = ", ".join(arms)
        raise UsageError(
            f"config: arm {name!r} reads the attempts of arm {other!r}, not in sample.arms "
            f"(arms: {known}); add it or name another in sample.arms.{name}.options"
        )
    here, there = arms[name].systems, arms[other].systems
    if there is not None and (here is None or not set(here) <= set(there)):
        raise UsageError(
            f"config: arm {name!r} reads arm {other!r}, so sample.arms.{name}.systems must lie "
            f"within {list(there)} (given: {here and list(here)})"
        )
