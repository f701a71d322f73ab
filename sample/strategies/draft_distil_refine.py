"""Parallel drafts, distilled into a short workspace, then refined: arXiv 2510.01123."""

from dataclasses import dataclass, replace
from functools import partial

from sample.config import need
from sample.prompts import user
from sample.records import Attempt
from sample.strategies.base import Chain
from sample.strategies.candidates import candidates
from sample.strategies.parallel import at_once

DISTIL = (
    "Write notes for the next attempt at this question, at most {words} words: on what the "
    "candidates agree, where they differ, which steps are wrong, what was not tried. "
    "End with the best final answer."
)
REFINE = "Notes from earlier attempts, which may be wrong:\n{notes}\n\nAnswer the question."


@dataclass(frozen=True)
class Options:
    """
    rounds: R, how often drafts are made and distilled; N - 1 is a multiple of R, and a round has
        (N - 1) / R - 1 drafts.
    words: how long the distilled notes may be, as the prompt says.
    """

    rounds: int = 1
    words: int = 100

    def __post_init__(self) -> None:
        need(self.rounds >= 1, "rounds", "1 or more", self.rounds)
        need(self.words >= 1, "words", "1 or more", self.words)

    def fit(self, attempts: int) -> None:
        size, rest = divmod(attempts - 1, self.rounds)
        legal = rest == 0 and size >= 2
        need(
            legal,
            "rounds",
            f"a divisor of sample.attempts - 1 ({attempts - 1}) that leaves rounds of 2 or more",
            self.rounds,
        )

    @property
    def least(self) -> tuple[int, int]:
        return self.rounds, self.rounds + 1


async def draft_distil_refine(chain: Chain) -> None:
    """In each round parallel drafts are distilled into notes; a last attempt answers from these.

    The drafts of a later round see the notes of the one before. Every call is an attempt and paid
    for, the distillation too, which is asked to end with the best answer. Where it did not finish
    the next attempts see the bare question. Of a token budget max_new_tokens are kept for one draft
    of each later round, for each distillation to come and for the last attempt.
    """
    question = chain.problem.question
    messages = user(question)
    notes: list[Attempt] = []
    *steps, final = chain.steps
    rounds = chain.options.rounds
    size = len(steps) // rounds
    for done in range(rounds):
        *drafting, distilling = steps[done * size : (done + 1) * size]
        closing = 2 * (rounds - done)
        keeping = replace(chain, attempt=partial(chain.attempt, closing=closing))
        drafts = await at_once(keeping, drafting, messages, notes)
        instruction = DISTIL.format(words=chain.options.words)
        asked = candidates(question, drafts, instruction)
        distilled = await chain.attempt(distilling, asked, closing=closing - 1, rests_on=drafts)
        messages, notes = user(refinement(question, distilled.text)), [distilled]
    await chain.attempt(final, messages, rests_on=notes)


def refinement(question: str, notes: str) -> str:
    """The question, and the notes unless they are empty."""
    return f"{question}\n\n{REFINE.format(notes=notes)}" if notes else question
