"""Sequential sampling as in arXiv 2604.05868, and its variants."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sample.config import need
from sample.records import Attempt
from sample.strategies.base import Chain
from sample.strategies.feedback import FEEDBACK, lacks_tests
from sample.strategies.history import FORMS, SKETCH, Render, Turn, sketches
from sample.strategies.reanswer import Reanswer


@dataclass(frozen=True)
class Options(Reanswer):
    """
    history: what is shown of earlier attempts: final answers, thinking and answers, a tally of
        distinct answers, sketches of the thinking, a list of tried answers not to repeat, or none.
    window: of how many of the last attempts it is shown; default: of all.
    feedback: what precedes the re-answer prompt: none, unary (the answer may be wrong, said of
        every attempt) or execution (what the problem's public tests say).
    unfinished: what stands for an attempt that never finished thinking: an empty text, as in the
        paper's scripts, so that attempt k sees k - 1 turns, or nothing.
    sketch: how much of each thinking history: sketches shows, e.g. "1 line" (which is its
        default), "2 sentences" or "80 characters".
    """

    history: Literal["answers", "thinking", "tally", "sketches", "tried", "none"] = "answers"
    window: int | None = None
    feedback: Literal["none", "unary", "execution"] = "none"
    unfinished: Literal["empty", "left_out"] = "empty"
    sketch: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sketch is not None:
            need(self.history == "sketches", "sketch", "history: sketches beside it", self.sketch)
            legal = SKETCH.fullmatch(self.sketch) is not None
            need(legal, "sketch", "a count of lines, sentences or characters", self.sketch)
        if self.window is not None:
            need(self.window >= 1, "window", "1 or more; leave it out for all", self.window)
        if self.history == "none":
            unused = (self.reanswer, self.window, self.feedback, self.unfinished)
            alone = "no reanswer, no window, no feedback, and no unfinished"
            need(unused == (0, None, "none", "empty"), "history: none", alone, unused)

    @property
    def render(self) -> Render:
        if self.history == "sketches":
            return sketches(self.sketch or "1 line")
        return FORMS[self.history]


async def sequential(chain: Chain) -> None:
    """Each attempt sees the earlier ones of its chain, then the re-answer prompt.

    By default it sees all earlier final answers. After a failed call none is made.
    """
    await refine(chain, chain.steps)


async def refine(chain: Chain, steps: Iterable[int]) -> list[Attempt]:
    """Make the steps one after the other, each seeing those before it, by sequential's options.

    With feedback: execution a problem without public tests is skipped.
    """
    if lacks_tests(chain):
        return [chain.skip(step, "the problem has no public tests") for step in steps]
    made: list[Attempt] = []
    turns: list[Turn] = []
    for step in steps:
        turns += [await _turn(chain, last) for last in made[-1:] if _stands(chain.options, last)]
        shown = turns[-chain.options.window :] if chain.options.window else turns
        messages = chain.options.render(chain.problem.question, shown)
        seen = [] if chain.options.history == "none" else made
        made.append(await chain.attempt(step, messages, rests_on=seen))
    return made


def _stands(options: Options, made: Attempt) -> bool:
    """Whether it is a turn of the history."""
    cut = made.finish == "length" and not made.text
    return made.finish != "unmade" and not (cut and options.unfinished == "left_out")


async def _turn(chain: Chain, made: Attempt) -> Turn:
    said = await FEEDBACK[chain.options.feedback](chain, made)
    separator = "\n\n" if "\n" in said else " "
    return Turn(made, f"{said}{separator}{chain.options.prompt}" if said else chain.options.prompt)
