"""What a system makes of a fixed history: the records that ``forage probe`` counts from."""

from collections.abc import Mapping
from dataclasses import dataclass

from sample.engines.base import Message
from sample.problems import Problem
from sample.records import Attempt


@dataclass(frozen=True)
class ProbeConfig:
    """problems: at most, of each family. attempts: M, drawn after each prefix. depths: answers
    that a history holds; 0, the bare question, is added. seed: of the order and the draws."""

    problems: int = 100
    attempts: int = 8
    depths: tuple[int, ...] = (1, 3, 7)
    seed: int = 0


@dataclass(frozen=True)
class Prefix:
    """The same for every system: a problem and the first attempts of the base's chain on it.

    shown: those attempts, the history. messages: what asks for the next attempt.
    """

    problem: Problem
    shown: tuple[Attempt, ...]
    messages: list[Message]

    @property
    def depth(self) -> int:
        return len(self.shown)

    @property
    def answers(self) -> dict[str, bool | None]:
        """The canonical answers of the history, and whether each is correct (None: not graded)."""
        return {a.canonical: a.correct for a in self.shown if a.canonical is not None}


@dataclass(frozen=True)
class Reading:
    """How a system reads a given attempt after a prefix.

    logp: mean log-probability of its tokens at temperature 1, nats.
    attention: by layer, what its tokens pay to the earlier answers: their share of the attention
    on the prompt over their share of its tokens, so 1 = no more than to the rest. NaN: a layer that
    does not reach the prompt. None: not looked at, or no earlier answer to be found in the prompt.
    """

    logp: float
    attention: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Probe:
    """One system on one prefix.

    drawn: its attempts. readings: how it reads the attempts that the base drew, in their order,
    None where one cannot be read; empty without a history, or weights on this machine.
    """

    system: str
    prefix: Prefix
    drawn: tuple[Attempt, ...]
    readings: tuple[Reading | None, ...] = ()


Probes = Mapping[str, list[Probe]]
"""System -> its probes, the base's first, all in the same order of prefixes."""
