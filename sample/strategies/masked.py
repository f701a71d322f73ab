"""Control of the turns themselves: a history of the same length and form that says nothing."""

from sample.prompts import conversation, user
from sample.records import Attempt
from sample.strategies.base import Chain
from sample.strategies.irrelevant_context import fewest

MASK = "-"


async def masked(chain: Chain) -> None:
    """Each attempt sees its chain's earlier turns, every answer replaced by as many dashes.

    As many: the fewest, with spaces between, that have at least as many tokens as the answer.
    """
    made: list[Attempt] = []
    shown: list[str] = []
    for step in chain.steps:
        messages = conversation(chain.problem.question, shown, chain.options.prompt)
        made.append(await chain.attempt(step, messages, rests_on=made))
        shown.append(mask(chain, made[-1].text))


def mask(chain: Chain, text: str) -> str:
    """Dashes with at least the tokens of the text."""

    def tokens(said: str) -> int:
        return chain.count_tokens(user(said))

    wanted = tokens(text)
    return dashes(fewest(lambda count: tokens(dashes(count)) >= wanted))


def dashes(count: int) -> str:
    return " ".join([MASK] * count)
