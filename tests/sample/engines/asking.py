"""Questions to a server through the engine."""

import asyncio

from sample.engines.base import Decoding, Request
from sample.engines.openai import OpenAIEngine
from sample.models import OpenAIModel

DECODING = Decoding(temperature=0.7, top_p=0.9, max_new_tokens=20)


def model_of(*servers, **changes):
    settings = {"retries": 2, "timeout": 60.0, **changes}
    return OpenAIModel("m", tuple(s if isinstance(s, str) else s.url for s in servers), **settings)


def request_of(question, seed=5, **changes):
    """What is before a # is the problem."""
    message = {"role": "user", "content": question}
    return Request([message], seed, DECODING, problem=problem_of(question), **changes)


def problem_of(question):
    return question.partition("#")[0]


def ask(model, *questions):
    async def together():
        async with OpenAIEngine(model) as engine:
            requests = (request_of(question, i) for i, question in enumerate(questions))
            return await asyncio.gather(*map(engine.generate, requests))

    return asyncio.run(together())
