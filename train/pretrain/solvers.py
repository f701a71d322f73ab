"""Solvers whose transcripts the embedded model imitates: one per problem family.

A solver writes an attempt (thinking lines and an answer) from scratch, and guesses as they
stand in histories. Whether an attempt re-uses an earlier answer is decided in ``transcripts``.
"""

from dataclasses import dataclass
from itertools import permutations
from random import Random
from typing import Protocol

from sample.families.python_functions import (
    apply,
    program,
    programs_of,
    random_program,
)
from sample.problems import Problem


@dataclass(frozen=True)
class Solved:
    thinking: str
    answer: str


class Solver(Protocol):
    def fresh(self, problem: Problem, rng: Random) -> Solved: ...

    def guess(self, problem: Problem, rng: Random) -> str: ...


class Countdown:
    """Three numbers, two operations; thinking is the two equations."""

    def __init__(self) -> None:
        self._solutions: dict[str, list[Solved]] = {}

    def fresh(self, problem: Problem, rng: Random) -> Solved:
        """One of all correct solutions, uniformly."""
        if problem.key not in self._solutions:
            entry = problem.metadata["entry"]
            ways = {w[1].answer: w for w in _ways(entry["numbers"]) if w[0] == entry["target"]}
            self._solutions[problem.key] = [solved for _, solved in ways.values()]
        return rng.choice(self._solutions[problem.key])

    def guess(self, problem: Problem, rng: Random) -> str:
        """Any well-formed answer that uses the numbers, nearly always wrong."""
        return rng.choice(_ways(problem.metadata["entry"]["numbers"]))[1].answer


def _ways(numbers: list[int]) -> list[tuple[int, Solved]]:
    """Every (value, solution) of (a op b) op c and c op (a op b) over whole numbers >= 0."""
    ways = []
    for a, b, c in set(permutations(numbers)):
        for op, inner in _results(a, b):
            first = f"{a} {op} {b} = {inner}"
            for left, right, flipped in ((inner, c, False), (c, inner, True)):
                for outer, value in _results(left, right):
                    part = _bracket(f"{a} {op} {b}", op, outer, flipped)
                    text = f"{c} {outer} {part}" if flipped else f"{part} {outer} {c}"
                    line = f"{left} {outer} {right} = {value}"
                    ways.append((value, Solved(f"{first}\n{line}", text)))
    return ways


def _results(a: int, b: int) -> list[tuple[str, int]]:
    found = [("+", a + b), ("*", a * b)]
    if a >= b:
        found.append(("-", a - b))
    if b and a % b == 0:
        found.append(("/", a // b))
    return found


def _bracket(text: str, inner: str, outer: str, right: bool) -> str:
    needed = (inner in "+-" and outer in "*/") or (right and outer in "-/")
    return f"({text})" if needed else text


class ChainSum:
    """Running sums, one a term. ``slip`` plants errors that carry on to the end."""

    def __init__(self, slip: float) -> None:
        self.slip = slip

    def fresh(self, problem: Problem, rng: Random) -> Solved:
        sums = self._running_sums(problem, rng)
        return Solved(", ".join(map(str, sums)), str(sums[-1]))

    def guess(self, problem: Problem, rng: Random) -> str:
        """A number near the sum, no nearer than chance would have it."""
        return str(int(problem.answer) + rng.randint(-12, 12))

    def _running_sums(self, problem: Problem, rng: Random) -> list[int]:
        words = problem.metadata["entry"]["expression"].split()
        total, sums = int(words[0]), []
        for sign, term in zip(words[1::2], words[2::2], strict=True):
            total += int(term) if sign == "+" else -int(term)
            if rng.random() < self.slip:
                total += rng.choice((-3, -2, -1, 1, 2, 3))
            sums.append(total)
        return sums


class PythonFunctions:
    """A few operations in a row; thinking is what the examples become at each."""

    def fresh(self, problem: Problem, rng: Random) -> Solved:
        """One of all correct programs, uniformly."""
        steps = rng.choice(programs_of(problem))
        values = tuple(args[0] for args, _ in problem.metadata["public"]["calls"])
        lines = []
        for step in steps:
            values = apply(step, values)
            lines.append(f"{step[0]} {step[1]}: {' '.join(map(str, values))}")
        return Solved("\n".join(lines), program(steps))

    def guess(self, problem: Problem, rng: Random) -> str:
        """Any well-formed program, nearly always wrong."""
        return program(random_program(problem, rng))
