"""Control of order: does it matter which answer came last?"""

import random

from sample.prompts import conversation
from sample.records import Attempt
from sample.strategies.base import Chain


async def shuffled(chain: Chain) -> None:
    """Each attempt sees all earlier final answers of its chain in a random order, drawn anew."""
    made: list[Attempt] = []
    for step in chain.steps:
        shown = random.Random(chain.seed("order", step)).sample([m.text for m in made], len(made))
        messages = conversation(chain.problem.question, shown, chain.options.prompt)
        made.append(await chain.attempt(step, messages, rests_on=made))
