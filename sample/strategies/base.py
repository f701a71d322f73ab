"""What a strategy is, and the chain it walks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, get_type_hints

from sample.engines.base import Message
from sample.problems import Problem
from sample.records import Attempt

Arm = Annotated[str, "arm"]
"""An option that names another arm, whose attempts on the same problem the strategy reads."""

PartnerArm = Annotated[str, "partner arm"]
"""An option that names another arm, whose attempts on the partner problem the strategy reads."""


class MakeAttempt(Protocol):
    """Make attempt ``step`` from ``messages``, or give the stored one; see ``Chain.attempt``."""

    async def __call__(
        self,
        step: int,
        messages: list[Message],
        *,
        prefill: str = "",
        redraws: int = 0,
        unwanted: Callable[[Attempt], bool] = ...,
        closing: int = 0,
        rests_on: Sequence[Attempt] = (),
    ) -> Attempt: ...


@dataclass(frozen=True)
class Chain:
    """One replicate of one arm on one problem, as its strategy sees it.

    attempts: N, how many attempts to make; a strategy makes or skips each step of ``steps`` once.
    options: the strategy's own options.
    attempt: (step, messages) -> the finished record of that step: the stored one if there is one,
        else a new one, generated, graded and stored. prefill: thinking to go on from (see
        ``sample.engines.base.Request``). redraws: how often an ``unwanted`` generation is drawn
        again; the record holds all draws and what they cost. Where sample.budget is spent no call
        is made, and the record is empty, its finish "unmade"; closing: for how many later attempts
        of full length the budget must last, beside this one. rests_on: the attempts that the
        messages, or their length, come from: if one of them failed, no call is made and the record
        is a failure too, of type "depends_on_failed"; if one was skipped, so is this one.
    skip: (step, reason) -> the same for a step that this problem does not allow; no call is made.
    others: arm -> attempts 1..N of that arm on the same problem and replicate, once it is finished;
        without those that its budget did not allow. Only arms that an option of type ``Arm`` names.
    partners: the same on the partner: another problem of the family. Only ``PartnerArm`` options.
    count_tokens: messages -> tokens of their prompt.
    seed: any key -> a seed of this chain, the same after a resume.
    public_tests: answer text -> what the problem's public tests say of it; None = it has none.
    """

    problem: Problem
    attempts: int
    options: Any
    attempt: MakeAttempt
    skip: Callable[[int, str], Attempt]
    others: Callable[[str], Awaitable[list[Attempt]]]
    partners: Callable[[str], Awaitable[list[Attempt]]]
    count_tokens: Callable[[list[Message]], int]
    seed: Callable[..., int]
    public_tests: Callable[[str], Awaitable[str]] | None = None

    @property
    def steps(self) -> range:
        return range(1, self.attempts + 1)


@dataclass(frozen=True)
class NoOptions:
    """No options."""


@dataclass(frozen=True)
class Strategy:
    """A walk over a chain, and the dataclass of its options.

    An ``options`` with a method ``fit(attempts)`` raises there if N does not suit it; one with a
    property ``least`` gives the drafts, and the attempts made from drafts, that a budget of tokens
    must hold at full length.
    sees: which attempts of its own chain an attempt may be made from: "nothing", "earlier" (those
        of lower steps) or "any". With "any", attempts under a budget of tokens must be asked for in
        the order of their steps.
    prefills: whether it gives attempts thinking to go on from.
    counts: whether it asks for the length of prompts.
    """

    walk: Callable[[Chain], Awaitable[None]]
    options: type = NoOptions
    sees: Literal["nothing", "earlier", "any"] = "any"
    prefills: bool = False
    counts: bool = False

    @property
    def rule(self) -> str:
        return (self.walk.__doc__ or "").strip().partition("\n")[0]

    def reads(self, kind: Any) -> tuple[str, ...]:
        """The names of the options of type ``Arm`` or ``PartnerArm``."""
        hints = get_type_hints(self.options, include_extras=True)
        return tuple(name for name, hint in hints.items() if hint == kind)
