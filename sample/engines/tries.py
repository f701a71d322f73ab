"""The tries of one call: the client makes them, this counts those that timed out.

The client would try again after a time-out as often as after a refusal, but a server may go on
with each request that nobody waits for any more, and bill it.
"""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import openai

STALLED = 2
"""How often a call is tried again after a time-out."""


@dataclass
class Tries:
    """scope: of the whole call. made, stalled: tries so far, and those of them that timed out."""

    scope: asyncio.Timeout
    made: int = 0
    stalled: int = 0

    async def begin(self) -> None:
        """Another try, unless too many have timed out; then the scope ends."""
        if self.stalled > STALLED:
            self.scope.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()
        self.made += 1


TRIES: ContextVar[Tries | None] = ContextVar("TRIES", default=None)
"""Those of the call under way."""


class CountingClient(openai.DefaultAioHttpClient):
    """Tells the call under way of its tries."""

    async def send(self, request: Any, **options: Any) -> Any:
        tries = TRIES.get()
        if tries is None:
            return await super().send(request, **options)
        await tries.begin()
        try:
            return await super().send(request, **options)
        except Exception as error:
            tries.stalled += _timed_out(error)
            raise


def _timed_out(error: Exception) -> bool:
    """By name, as the client stands on httpx or on httpx2. Where no connection was made, or one was
    lost (its name for that is ConnectTimeout), no server goes on."""
    return type(error).__name__ == "ReadTimeout"
