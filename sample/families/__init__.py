"""Where problems come from: one module per source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from sample.config import GENERATED, ProblemConfig
from sample.errors import UsageError
from sample.families import file, hub, python_functions, reasoning_gym
from sample.problems import Problem
from sample.seeds import derive_seed

SOURCES = {
    "reasoning_gym": reasoning_gym.generate,
    "python_functions": python_functions.generate,
    "hub": hub.generate,
    "file": file.generate,
}


_BARREN = 20_000


def draw_problems(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Problems of the config's split in a fixed order; one can come again, in other words.

    Raises:
        UsageError: options the source refuses, or a split that an evaluation set has not.
    """
    if is_held_out(config) and config.split != "test":
        raise UsageError(
            f"problems.{family}: {config.task} is an evaluation set, all of it is of the split "
            f"test (asked for: {config.split}); to split a set of your own, set options: "
            "{held_out: false}"
        )
    problems = SOURCES[config.source](family, config)
    if config.source not in GENERATED:
        problems = iter(sorted(problems, key=lambda p: derive_seed("order", config.seed, p.key)))
    return (_put(p, config.prompt) for p in problems if p.split == config.split)


def _put(problem: Problem, prompt: str) -> Problem:
    """The problem with its question as the prompt puts it; the key stays the bare question's."""
    if prompt == "{question}":
        return problem
    return replace(problem, question=prompt.replace("{question}", problem.question))


def load_problems(
    family: str,
    config: ProblemConfig,
    without: frozenset[str] = frozenset(),
    told: Callable[[int], None] = lambda found: None,
) -> list[Problem]:
    """The first ``config.count`` different problems of one split, in a fixed order; all if None.

    without: keys of problems that must not be among them. told: is told how many there are so far.

    Raises:
        UsageError: as ``draw_problems``, or too few different problems exist.
    """
    found: dict[str, Problem] = {}
    barren = 0
    for problem in draw_problems(family, config):
        barren = barren + 1 if problem.key in found else 0
        if problem.key not in without:
            found.setdefault(problem.key, replace(problem, graded=config.graded))
            told(len(found))
        if len(found) == config.count:
            return list(found.values())
        if barren == _BARREN:
            break
    if config.count is None and found:
        return list(found.values())
    raise UsageError(
        f"problems.{family}: only {len(found)} different {config.split} problems were found with "
        f"these options, {config.count or 'some'} were asked for; lower count or widen options"
    )


def is_held_out(config: ProblemConfig) -> bool:
    """Whether the whole set is for evaluation."""
    return config.source not in GENERATED and bool(config.options["held_out"])


def held_out_keys(problems: Mapping[str, ProblemConfig]) -> frozenset[str]:
    """The keys of every problem of the evaluation sets among ``problems``.

    Raises:
        UsageError: as ``load_problems``.
    """
    sets = {name: replace(c, count=None) for name, c in problems.items() if is_held_out(c)}
    return frozenset(p.key for name, config in sets.items() for p in load_problems(name, config))
