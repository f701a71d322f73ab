"""Control of context length (H2): as long a prompt as in a sequential chain, but of no use."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sample.engines.base import Message
from sample.prompts import conversation
from sample.records import Attempt
from sample.strategies.base import Arm, Chain
from sample.strategies.filler import filler


@dataclass(frozen=True)
class Options:
    """match: the arm whose prompt length each attempt matches."""

    match: Arm = "sequential"


async def irrelevant_context(chain: Chain) -> None:
    """Parallel, behind filler as long as the history of the same attempt of the arm ``match``.

    Attempts beyond those that a token budget allowed that arm are as long as its last one.
    """
    matched = await chain.others(chain.options.match)
    matched += matched[-1:] * (chain.attempts - len(matched))
    await asyncio.gather(*map(partial(_attempt, chain), chain.steps, matched))


async def _attempt(chain: Chain, step: int, matched: Attempt) -> None:
    tokens = prompt_tokens(matched)

    def padded(sentences: int) -> list[Message]:
        return conversation(pad(chain.problem.question, sentences), ())

    sentences = fewest(lambda count: chain.count_tokens(padded(count)) >= tokens)
    await chain.attempt(step, padded(sentences), rests_on=[matched])


def prompt_tokens(other: Attempt) -> int:
    """Tokens of the prompt, which the ledger of the record counts once for every draw."""
    first, *_ = (*other.rejected, other)
    return first.ledger.prompt


def pad(question: str, sentences: int) -> str:
    """The question behind that many filler sentences."""
    return f"{filler(sentences)}\n\n{question}" if sentences else question


def fewest(enough: Callable[[int], bool]) -> int:
    """The least count >= 0 that is enough; ``enough`` must stay true once it is."""
    if enough(0):
        return 0
    high = next(2**power for power in itertools.count() if enough(2**power))
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
