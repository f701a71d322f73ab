"""Where problems come from: one module per source."""

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import reasoning_gym
from sample.problems import SPLITS, Problem

SOURCES = {"reasoning_gym": reasoning_gym.generate}


def load_problems(family: str, config: ProblemConfig) -> list[Problem]:
    """The first ``config.count`` different problems of one split, in a fixed order.

    Raises:
        UsageError: unknown source or split, options the source refuses, or too few problems.
    """
    if config.source not in SOURCES:
        raise UsageError(f"problems.{family}: source {config.source!r}; known: {', '.join(SOURCES)}")
    if config.split not in SPLITS:
        raise UsageError(f"problems.{family}: split {config.split!r}; known: {', '.join(SPLITS)}")
    found: dict[str, Problem] = {}
    for problem in SOURCES[config.source](family, config):
        if problem.split == config.split:
            found.setdefault(problem.key, problem)
        if len(found) == config.count:
            return list(found.values())
    raise UsageError(
        f"problems.{family}: only {len(found)} different {config.split} problems exist with these "
        f"options, {config.count} were asked for; lower count or widen options"
    )
