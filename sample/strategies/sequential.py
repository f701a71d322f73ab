"""Sequential sampling as in arXiv 2604.05868."""

from dataclasses import dataclass

from sample.errors import UsageError
from sample.prompts import REANSWER, conversation
from sample.strategies.base import Chain


@dataclass(frozen=True)
class Options:
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


async def sequential(chain: Chain) -> None:
    """Each attempt sees all earlier final answers of its chain, then the re-answer prompt.

    An attempt that never finished thinking enters the history with an empty text, as in the paper,
    so that the k-th attempt always sees k - 1 earlier turns.
    """
    answers: list[str] = []
    for step in chain.steps:
        messages = conversation(chain.problem.question, answers, chain.options.prompt)
        answers.append((await chain.attempt(step, messages)).text)
