"""Procedural problems whose answer is a one-line Python function, found from examples.

A hidden function of one whole number is a few simple operations in a row, e.g. (x + 3) * 2 % 5. The
question shows some inputs and outputs (the public tests); the hidden tests are every input. Only
functions that several different programs compute are asked for, and the examples are few, so that
most of them also fit functions that are wrong elsewhere: the first program that fits may not be
right, and others are worth a try.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from random import Random

from sample.config import ProblemConfig, need, parse
from sample.problems import Problem
from sample.seeds import derive_seed

TASK = "compositions"
INPUTS = tuple(range(21))
_SHOWN_INPUTS = range(10)
_LARGEST = 199

Step = tuple[str, int]
"""An operation of ``OPERATIONS`` and its number."""

OPERATIONS = {
    "+": lambda x, n: x + n,
    "-": lambda x, n: x - n,
    "*": lambda x, n: x * n,
    "//": lambda x, n: x // n,
    "%": lambda x, n: x % n,
    "max": max,
    "min": min,
    "abs": lambda x, n: abs(x - n),
}
_PRODUCTS = ("*", "//", "%")
_CALLS = {"max": "max({}, {})", "min": "min({}, {})", "abs": "abs({} - {})"}


@dataclass(frozen=True)
class Options:
    """steps: most operations in a row. constants: their largest number. examples: how many are
    shown. programs: how many different programs a function must have at least."""

    steps: int = 3
    constants: int = 5
    examples: int = 4
    programs: int = 3

    def __post_init__(self) -> None:
        where = "problems.options"
        need(1 <= self.steps <= 3, f"{where}.steps", "1, 2 or 3", self.steps)
        need(2 <= self.constants <= 9, f"{where}.constants", "2 to 9", self.constants)
        most = len(_SHOWN_INPUTS)
        need(1 <= self.examples <= most, f"{where}.examples", f"1 to {most}", self.examples)
        need(self.programs >= 1, f"{where}.programs", "1 or more", self.programs)


def generate(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Problems of every split, without end; the same problem can come again.

    Raises:
        UsageError: no such task, or options out of range.
    """
    need(config.task == TASK, f"problems.{family}.task", repr(TASK), config.task)
    options = parse(Options, dict(config.options), f"problems.{family}.options")
    space = program_space(options.steps, options.constants)
    targets = [outputs for outputs, ways in space.items() if len(ways) >= options.programs]
    need(bool(targets), f"problems.{family}.options.programs", "fewer", options.programs)
    for index in count():
        rng = Random(derive_seed("python_functions", config.seed, index))
        yield _problem(family, options, rng.choice(targets), space, rng)


def _problem(
    family: str,
    options: Options,
    outputs: tuple[int, ...],
    space: Mapping[tuple[int, ...], list[tuple[Step, ...]]],
    rng: Random,
) -> Problem:
    shown = sorted(rng.sample(_SHOWN_INPUTS, options.examples))
    return Problem(
        family=family,
        question=_question(shown, outputs),
        answer=program(space[outputs][0]),
        grader="code",
        key=f"python_functions {[(x, outputs[x]) for x in shown]}",
        metadata={
            "task": TASK,
            "entry": "f",
            "public": {"calls": [[[x], outputs[x]] for x in shown]},
            "hidden": {"calls": [[[x], outputs[x]] for x in INPUTS]},
            "limits": {"cpu": 1, "wall": 30.0},
            "space": [options.steps, options.constants],
        },
    )


def _question(shown: list[int], outputs: tuple[int, ...]) -> str:
    inputs, values = (" ".join(map(str, row)) for row in (shown, [outputs[x] for x in shown]))
    asked = "Write a one-line Python function f of a whole number 0 to 20, with"
    return f"{asked}\nx: {inputs}\nf(x): {values}"


@lru_cache(maxsize=4)
def program_space(steps: int, constants: int) -> Mapping[tuple[int, ...], list[tuple[Step, ...]]]:
    """Outputs on ``INPUTS`` -> every program of at most so many steps that gives them.

    Left out: steps that change nothing, outputs below 0 or above 199, and nearly constant ones.
    """
    found: dict[tuple[int, ...], list[tuple[Step, ...]]] = {}
    shorter: list[tuple[tuple[Step, ...], tuple[int, ...]]] = [((), INPUTS)]
    for _ in range(steps):
        longer = []
        for before, values in shorter:
            for step in _steps(constants):
                after = apply(step, values)
                if _worth_asking(after) and after != values:
                    longer.append(((*before, step), after))
                    found.setdefault(after, []).append((*before, step))
        shorter = longer
    return found


def _steps(constants: int) -> list[Step]:
    numbers = range(1, constants + 1)
    return [(op, n) for op in OPERATIONS for n in numbers if n > 1 or op not in _PRODUCTS]


def _worth_asking(values: tuple[int, ...]) -> bool:
    return min(values) >= 0 and max(values) <= _LARGEST and len(set(values)) >= 4


def apply(step: Step, values: tuple[int, ...]) -> tuple[int, ...]:
    """The values after one step."""
    operation, number = OPERATIONS[step[0]], step[1]
    return tuple([operation(value, number) for value in values])


def program(steps: tuple[Step, ...]) -> str:
    """The steps as a one-line Python function, with no needless brackets."""
    text, last = "x", ""
    for op, number in steps:
        if op in _PRODUCTS and last in ("+", "-"):
            text = f"({text})"
        text = _CALLS.get(op, f"{{}} {op} {{}}").format(text, number)
        last = op
    return f"def f(x): return {text}"


def programs_of(problem: Problem) -> list[tuple[Step, ...]]:
    """Every program of the problem's space that is right."""
    outputs = tuple(value for _, value in problem.metadata["hidden"]["calls"])
    return program_space(*problem.metadata["space"])[outputs]


def random_program(problem: Problem, rng: Random) -> tuple[Step, ...]:
    """Any program of the problem's space, right by chance alone."""
    steps, constants = problem.metadata["space"]
    return rng.choice(_all_programs(steps, constants))


@lru_cache(maxsize=4)
def _all_programs(steps: int, constants: int) -> list[tuple[Step, ...]]:
    return [way for ways in program_space(steps, constants).values() for way in ways]
