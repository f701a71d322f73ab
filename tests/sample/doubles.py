"""A deterministic engine, a scripted chain and ready-made records for tests of what lies around."""

import asyncio
from dataclasses import dataclass, field

from sample.config import ArmConfig
from sample.engines.base import Generation, Message, Request
from sample.problems import Problem
from sample.records import Attempt, Ledger
from sample.seeds import derive_seed
from sample.strategies import arm_options, find_strategy
from sample.strategies.base import Chain


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
        text = str(derive_seed(request.seed, request.messages, request.prefill) % 10)
        ledger = Ledger(self.count_prompt_tokens(request.messages), None, 2, 1, 0.0)
        return Generation(f"{request.prefill} so {text}".strip(), text, "stop", ledger)

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


PROBLEM = Problem("sums", "1 + 1 = ?", "2", "reasoning_gym", "1+1")


@dataclass
class Walked:
    """What a strategy asked for on a scripted chain, by step."""

    asked: dict[int, list[Message]] = field(default_factory=dict)
    prefills: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    draws: dict[int, int] = field(default_factory=dict)
    closing: dict[int, int] = field(default_factory=dict)

    def said(self, step: int) -> list[str]:
        """The contents of the messages of a step."""
        return [message["content"] for message in self.asked[step]]


def walk(
    strategy: str, script=None, *, others=(), partners=(), attempts=4, tests=None, problem=PROBLEM,
    **options: object,
) -> Walked:  # fmt: skip
    """Walk a strategy on a fresh chain.

    script: step -> fields of the attempt made there, or a list of such, one for each draw; a step
        that is not in it answers "t<step>".
    """
    seen = Walked()

    async def make(
        step, messages, *, prefill="", redraws=0, unwanted=lambda drawn: False, closing=0,
        rests_on=(),
    ):  # fmt: skip
        assert step not in seen.asked, "made twice"
        seen.asked[step], seen.prefills[step] = messages, prefill
        seen.closing[step] = closing
        await asyncio.sleep(0)
        given = (script or {}).get(step, {"text": f"t{step}"})
        draws = given if isinstance(given, list) else [given]
        for count, fields in enumerate(draws[: 1 + redraws], 1):
            seen.draws[step], made = count, attempt(step=step, **fields)
            if not unwanted(made):
                break
        return made

    def skip(step, reason):
        seen.skipped[step] = reason
        return attempt(step=step, text="", finish="skipped")

    async def finished(arm):
        return others[arm]

    async def elsewhere(arm):
        return partners[arm]

    chain = Chain(
        problem=problem,
        attempts=attempts,
        options=arm_options("x", ArmConfig(strategy, options=options)),
        attempt=make,
        skip=skip,
        others=finished,
        partners=elsewhere,
        count_tokens=count_words,
        seed=lambda *key: derive_seed("chain", *key),
        public_tests=tests,
    )
    asyncio.run(find_strategy(strategy).walk(chain))
    assert {*seen.asked, *seen.skipped} == set(chain.steps)
    return seen
