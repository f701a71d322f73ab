"""Budget forcing: sequential scaling inside one thinking trace, arXiv 2501.19393."""

from dataclasses import dataclass

from sample.config import need
from sample.prompts import user
from sample.records import Attempt
from sample.strategies.base import Chain
from sample.strategies.history import without_tags


@dataclass(frozen=True)
class Options:
    """wait: what is appended to the trace where the model had ended it."""

    wait: str = "Wait"

    def __post_init__(self) -> None:
        need(bool(self.wait.strip()), "wait", "a text", self.wait)


async def budget_forcing(chain: Chain) -> None:
    """One trace: attempt k goes on from the thinking of attempt k - 1 after "Wait".

    So attempt k has been made to wait k - 1 times, and its record holds the whole trace and the
    answer that follows. The trace so far counts as prompt; the answers in between are paid for,
    which suppressing the end of thinking, as the paper does, saves. Where max_new_tokens cut the
    thinking short, the next attempt goes on from there, with no word between.
    decoding.thinking_budget is a limit of the whole trace: once it is reached, attempts answer
    again and think no further. Needs an engine that takes a prefill.
    """
    messages = user(chain.problem.question)
    trace = ""
    before: list[Attempt] = []
    for step in chain.steps:
        made = await chain.attempt(step, messages, prefill=trace, rests_on=before)
        ended = made.finish == "stop" or bool(made.text)
        trace = without_tags(made.thinking) + f"\n{chain.options.wait}" * ended
        before = [made]
