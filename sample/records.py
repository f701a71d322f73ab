"""The record of one attempt: one line of ``attempts.jsonl``."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

SCHEMA_VERSION = 1
Graded = Literal["answer", "trace"]
"""What of an attempt is graded."""
ANSWER: Graded = "answer"
TRACE: Graded = "trace"
DEPENDENT = "depends_on_failed"
"""The type of failure of an attempt that was not made because one that it rests on failed."""

# bounds that a line of a record file is read with
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]


class Ledger(Struct, frozen=True, forbid_unknown_fields=True):
    """Tokens and seconds of one call, as the engine counted them. None = the engine cannot say."""

    prompt: Count
    cached: Count | None
    thinking: Count
    answer: Count
    seconds: Amount

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


class Failure(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a call gave no text, or why none was made. A failed call is a record, not a missing
    line."""

    type: str
    message: str


class Draw(Struct, frozen=True, forbid_unknown_fields=True):
    """A generation that its strategy drew again; the fields are those of an attempt."""

    seed: int
    thinking: str
    text: str
    canonical: str | None
    finish: str
    ledger: Ledger


class Attempt(Struct, frozen=True, forbid_unknown_fields=True):
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
    graded: "answer", or "trace": thinking and text together, also of finish "length".
    """

    family: str
    problem: str
    arm: str
    system: str
    replicate: Count
    step: Annotated[int, Meta(ge=1)]
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
    weight: Amount | None = None
    engine: str = ""
    graded: Graded = ANSWER
    schema_version: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)] = SCHEMA_VERSION

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        return (self.problem, self.arm, self.system, self.replicate, self.step)
