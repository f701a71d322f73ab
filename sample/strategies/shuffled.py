"""Control of order: does it matter which answer came last?"""

import random

from sample.prompts import conversation
from sample.strategies.base import Chain


async def shuffled(chain: Chain) -> None:
    """Each attempt sees all earlier final answers of its chain in a random order, drawn anew."""
    answers: list[str] = []
    for step in chain.steps:
        shown = random.Random(chain.seed("order", step)).sample(answers, len(answers))
        messages = conversation(chain.problem.question, shown, chain.options.prompt)
        answers.append((await chain.attempt(step, messages)).text)
