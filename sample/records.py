"""The record of one attempt: one line of ``attempts.jsonl``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

SCHEMA_VERSION = 1
DEPENDENT = "depends_on_failed"
"""The type of failure of an attempt that was not made because one that it rests on failed."""


@dataclass(frozen=True)
class Ledger:
    """Tokens and seconds of one call, as the engine counted them. None = the engine cannot say."""

    prompt: int
    cached: int | None
    thinking: int
    answer: int
    seconds: float

    @property
    def generated(self) -> int:
        return self.thinking + self.answer

    def __add__(self, other: "Ledger") -> "Ledger":
        known = self.cached is not None and other.cached is not None
        return Ledger(
            self.prompt + other.prompt,
            (self.cached or 0) + (other.cached or 0) if known else None,
            self.thinking + other.thinking,
            self.answer + other.answer,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class Failure:
    """Why a call gave no text, or why none was made. A failed call is a record, not a missing
    line."""

    type: str
    message: str


@dataclass(frozen=True)
class Draw:
    """A generation that its strategy drew again; the fields are those of an attempt."""

    seed: int
    thinking: str
    text: str
    canonical: str | None
    finish: str
    ledger: Ledger


@dataclass(frozen=True)
class Attempt:
    """One generation. Key: (problem, arm, system, replicate, step).

    family: problem set; arm: the config's name for the strategy with its options;
    system: model with or without adapter, e.g. "base" or "diverse-s0".
    replicate: which independent chain (or group of parallel attempts), from 0; step: 1..N.
    thinking, text: the generation before and after ``</think>``; text is what enters a history.
    answer: extracted from text, None if nothing could be extracted; canonical: equal for
    equivalent answers. correct: None = not graded, never read as wrong.
    finish: "stop", "length" (truncated), "budget" (cut where the chain's budget of tokens ended),
    "error" (then failure says why), "skipped" (a control that this problem does not allow; failure
    says why) or "unmade" (the budget was spent before). For the last two no call was made and
    nothing was paid.
    rejected: what was drawn for this step before; ``ledger`` is the sum over all draws.
    score, weight: what whoever chooses among attempts gave to this one, if anybody did: the best
    has the highest score; a vote counts weight times. No engine of ours sets them.
    engine: which made it, empty if not known; one run may use several for the same weights.
    """

    # a line of a record file is read as it stands: no other keys, no conversions
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {
        "strict": True,
        "extra": "forbid",
        "allow_inf_nan": False,
    }

    family: str
    problem: str
    arm: str
    system: str
    replicate: int
    step: int
    seed: int
    thinking: str
    text: str
    answer: str | None
    canonical: str | None
    correct: bool | None
    finish: str
    ledger: Ledger
    failure: Failure | None = None
    config: str = ""
    rejected: tuple[Draw, ...] = ()
    score: float | None = None
    weight: float | None = None
    engine: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        return (self.problem, self.arm, self.system, self.replicate, self.step)
