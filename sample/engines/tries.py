"""The tries of one call: the client makes them, this counts those that timed out.

The client would try again after a time-out as often as after a refusal, but a server may go on
with each request that nobody waits for any more, and bill it.
"""

import asyncio
import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

STALLED = 2
"""How often a call is tried again after a time-out."""


@dataclass
class Tries:
    """scope: of the whole call. timeout: seconds of one try. made, stalled: tries so far, and those
    of them that timed out."""

    scope: asyncio.Timeout
    timeout: float
    made: int = 0
    stalled: int = 0
    _begun: float = 0.0
    _refused: bool = False

    async def begin(self) -> None:
        """Another try, unless too many have timed out; then the scope ends."""
        elapsed = time.monotonic() - self._begun
        self.stalled += bool(self.made and not self._refused and elapsed >= self.timeout)
        if self.stalled > STALLED:
            self.scope.reschedule(asyncio.get_running_loop().time())
            await asyncio.sleep(self.timeout)
        self.made, self._begun, self._refused = self.made + 1, time.monotonic(), False

    def answered(self, status: int) -> None:
        """An HTTP status came: of an error, what follows is a wait that the server asked for."""
        self._refused = status >= 400


TRIES: ContextVar[Tries | None] = ContextVar("TRIES", default=None)
"""Those of the call under way."""


async def _request(_: Any) -> None:
    if tries := TRIES.get():
        await tries.begin()


async def _response(response: Any) -> None:
    if tries := TRIES.get():
        tries.answered(response.status_code)


HOOKS: dict[str, Any] = {"request": [_request], "response": [_response]}
"""``event_hooks`` of an HTTP client."""
