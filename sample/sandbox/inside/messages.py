"""JSON messages on a pipe, each after its length in eight bytes; used on both sides of the wall."""

import json
import os
import select
import time
from typing import Any


class BrokenChannel(BaseException):
    """The other side ended, sent something else than messages, or stayed silent too long.

    Not an ``Exception``: tests that catch exceptions of the program must not catch it.
    """


def send(file: int, message: Any) -> None:
    """Write one message.

    Raises:
        BrokenChannel: nobody reads any more.
        ValueError: the message is no JSON data.
    """
    data = json.dumps(message).encode()
    left = memoryview(len(data).to_bytes(8, "big") + data)
    try:
        while left:
            left = left[os.write(file, left) :]
    except OSError as error:
        raise BrokenChannel(str(error)) from None


def receive(file: int, most: int, deadline: float | None = None) -> Any:
    """Read one message of at most ``most`` bytes; ``deadline`` is in seconds of ``monotonic``.

    Raises:
        BrokenChannel: there is none.
    """
    size = int.from_bytes(_read(file, 8, deadline), "big")
    if size > most:
        raise BrokenChannel(f"more than {most} bytes at once")
    try:
        return json.loads(_read(file, size, deadline))
    except (ValueError, RecursionError):
        raise BrokenChannel("no JSON data") from None


def _read(file: int, size: int, deadline: float | None) -> bytes:
    parts, left = [], size
    while left:
        if deadline is not None:
            remaining = max(0.0, deadline - time.monotonic())
            if not select.select([file], [], [], remaining)[0]:
                raise BrokenChannel("no answer in time")
        part = os.read(file, min(left, 1 << 20))
        if not part:
            raise BrokenChannel("ended")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
