"""The option that asks for the next attempt, shared by every strategy that shows a history."""

from dataclasses import dataclass

from sample.errors import UsageError
from sample.prompts import REANSWER


@dataclass(frozen=True)
class Reanswer:
    """reanswer: the source paper's re-answer prompt 0 to 3, or a text of one's own."""

    reanswer: int | str = 0

    def __post_init__(self) -> None:
        if isinstance(self.reanswer, int) and not 0 <= self.reanswer < len(REANSWER):
            raise UsageError(
                f"config: reanswer takes 0 to {len(REANSWER) - 1} or a text "
                f"(given: {self.reanswer})"
            )

    @property
    def prompt(self) -> str:
        return REANSWER[self.reanswer] if isinstance(self.reanswer, int) else self.reanswer
