"""The option that asks for the next attempt, shared by every strategy that shows a history."""

from dataclasses import dataclass

from sample.errors import UsageError
from sample.prompts import REANSWER


@dataclass(frozen=True)
class Reanswer:
    """reanswer: the source paper's re-answer prompt 0 to 3, or a text of one's own."""

    reanswer: int | str = 0

    def __post_init__(self) -> None:
        given = self.reanswer
        usable = given in range(len(REANSWER)) if isinstance(given, int) else given.strip()
        if not usable:
            raise UsageError(
                f"config: reanswer takes 0 to {len(REANSWER) - 1} or a text (given: {given!r})"
            )

    @property
    def prompt(self) -> str:
        return REANSWER[self.reanswer] if isinstance(self.reanswer, int) else self.reanswer
