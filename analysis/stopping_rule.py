"""What is fixed of early stopping before sampling."""

import math
from dataclasses import dataclass

from sample.errors import need

METHODS = ("obrien-fleming", "betting")


@dataclass(frozen=True)
class StoppingRule:
    """problems: the most that will be sampled; margin: largest gap that counts as none.

    method: "obrien-fleming" holds at its looks, by t intervals, and costs almost no power;
    "betting" holds at any look and for any law, at the price of power.
    looks: how often to look, equally spaced. alpha: error rate, over all looks together.
    """

    problems: int
    margin: float = 0.03
    alpha: float = 0.05
    method: str = "obrien-fleming"
    looks: int = 10

    def __post_init__(self) -> None:
        where = "analyze.stopping"
        need(0 < self.margin < 1, "analyze.margin", "a share such as 0.03", self.margin)
        need(0 < self.alpha < 0.25, "analyze.alpha", f"below 0.25 with {where}", self.alpha)
        known = f"one of {', '.join(METHODS)}"
        need(self.method in METHODS, f"{where}.method", known, self.method)
        need(1 <= self.looks <= 50, f"{where}.looks", "1 to 50", self.looks)
        enough = self.problems >= 2 * self.looks
        least = f"2 problems a look or more ({2 * self.looks} in each set)"
        need(enough, f"{where}.looks", least, f"{self.problems} problems")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of problems at which the rule looks."""
        return tuple(math.ceil(self.problems * k / self.looks) for k in range(1, self.looks + 1))

    def next_size(self, finished: int) -> int:
        """How many problems to have finished at the next look."""
        return next((size for size in self.sizes if size > finished), self.problems)

    def reached(self, known: int, complete: bool) -> list[tuple[int, int]]:
        """(look, counted from 0, problems at it) of the looks that so many problems allow.

        complete: no further problem will come. Where some have no value, the last look is then at
        those that have one: the same bound at less than the whole information errs less often.
        """
        found = [(look, size) for look, size in enumerate(self.sizes) if size <= known]
        if complete and known > (found[-1][1] if found else 0):
            found.append((self.looks - 1, known))
        return found
