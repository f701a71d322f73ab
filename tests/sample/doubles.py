"""A deterministic engine and ready-made records for tests of what lies around the engine."""

import asyncio
from dataclasses import dataclass, field

from sample.engines.base import Generation, Message, Request
from sample.records import Attempt, Ledger


def count_words(messages: list[Message]) -> int:
    return sum(len(message["content"].split()) for message in messages)


@dataclass
class EchoEngine:
    """Answers with a number that depends on the request alone; later requests may end first.

    error: raised by every call whose seed it divides by three.
    """

    error: Exception | None = None
    requests: list[Request] = field(default_factory=list)
    live: int = 0
    most: int = 0

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        self.live += 1
        self.most = max(self.most, self.live)
        for _ in range(1 + request.seed % 7):
            await asyncio.sleep(0)
        self.live -= 1
        if self.error is not None and request.seed % 3 == 0:
            raise self.error
        text = str((request.seed + len(request.messages)) % 10)
        ledger = Ledger(self.count_prompt_tokens(request.messages), None, 2, 1, 0.0)
        return Generation(f"so {text}", text, "stop", ledger)

    def count_prompt_tokens(self, messages: list[Message]) -> int:
        return count_words(messages)


def attempt(**changes: object) -> Attempt:
    fields: dict = {
        "family": "sums",
        "problem": "p1",
        "arm": "parallel",
        "system": "base",
        "replicate": 0,
        "step": 1,
        "seed": 7,
        "thinking": "so",
        "text": "5",
        "answer": "5",
        "canonical": "5",
        "correct": True,
        "finish": "stop",
        "ledger": Ledger(3, None, 2, 1, 0.25),
        "config": "abc",
    }
    return Attempt(**{**fields, **changes})
