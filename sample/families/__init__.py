"""Where problems come from: one module per source."""

from collections.abc import Iterator

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import python_functions, reasoning_gym
from sample.problems import SPLITS, Problem

SOURCES = {
    "reasoning_gym": reasoning_gym.generate,
    "python_functions": python_functions.generate,
}


_BARREN = 20_000


def draw_problems(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Problems of the config's split in a fixed order; one can come again, in other words.

    Raises:
        UsageError: unknown source or split, or options the source refuses.
    """
    if config.source not in SOURCES:
        raise UsageError(
            f"problems.{family}: source {config.source!r}; known: {', '.join(SOURCES)}"
        )
    if config.split not in SPLITS:
        raise UsageError(f"problems.{family}: split {config.split!r}; known: {', '.join(SPLITS)}")
    problems = SOURCES[config.source](family, config)
    return (problem for problem in problems if problem.split == config.split)


def load_problems(family: str, config: ProblemConfig) -> list[Problem]:
    """The first ``config.count`` different problems of one split, in a fixed order.

    Raises:
        UsageError: as ``draw_problems``, or too few different problems exist.
    """
    found: dict[str, Problem] = {}
    barren = 0
    for problem in draw_problems(family, config):
        barren = barren + 1 if problem.key in found else 0
        found.setdefault(problem.key, problem)
        if len(found) == config.count:
            return list(found.values())
        if barren == _BARREN:
            break
    raise UsageError(
        f"problems.{family}: only {len(found)} different {config.split} problems were found with "
        f"these options, {config.count} were asked for; lower count or widen options"
    )
