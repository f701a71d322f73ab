"""The test cases of LiveCodeBench, decoded without running what may be hidden in them.

Private tests are JSON text, pickled, compressed and written as base64. Unpickling runs code that
the data names, so the pickle is read as what it must be, one string.
"""

import base64
import binascii
import json
import pickletools
import zlib
from typing import Any

MOST_BYTES = 1 << 30
"""Of the decompressed tests of one problem."""

_STRINGS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
_AROUND = ("PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "STOP")


def read_tests(text: str) -> list[dict[str, Any]]:
    """Test cases with input and output, or args and expected.

    Raises:
        ValueError: the text is neither JSON nor one compressed, pickled JSON text.
    """
    try:
        cases = json.loads(text)
    except ValueError:
        cases = json.loads(pickled_text(_decompress(text)))
    try:
        return [_test(case) for case in cases]
    except (AttributeError, TypeError, LookupError):
        raise ValueError(f"not a list of test cases: {cases!r:.60}") from None


def _decompress(text: str) -> bytes:
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    except (binascii.Error, zlib.error, ValueError):
        raise ValueError(f"test cases are neither JSON nor compressed: {text!r:.60}") from None
    if not stream.eof:
        raise ValueError(f"test cases are cut short, or above {MOST_BYTES >> 20} MiB")
    return data


def pickled_text(data: bytes) -> str:
    """The one string in a pickle, found by reading its opcodes; nothing is unpickled.

    Raises:
        ValueError: the pickle holds anything else.
    """
    found: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in _STRINGS:
                found.append(str(argument))
            elif opcode.name not in _AROUND:
                raise ValueError(f"a pickle that holds more than a text ({opcode.name}); refused")
    except UnicodeDecodeError:
        raise ValueError("a pickled text that is not UTF-8") from None
    if len(found) != 1:
        raise ValueError(f"a pickle of {len(found)} texts, expected one")
    return found[0]


def _test(case: dict[str, str]) -> dict[str, Any]:
    if case["testtype"] == "stdin":
        return {"input": case["input"], "output": case["output"]}
    arguments = [json.loads(line) for line in case["input"].splitlines() if line.strip()]
    return {"args": arguments, "expected": json.loads(case["output"])}


def entry(metadata: str) -> str | None:
    """The function or method to write; None = a program that reads input and prints.

    Raises:
        ValueError: the metadata are no JSON object, or name something else.
    """
    try:
        name = (json.loads(metadata) or {}).get("func_name") or None
    except (ValueError, AttributeError):
        raise ValueError(f"not a JSON object: {metadata!r:.60}") from None
    if not isinstance(name, str | None):
        raise ValueError(f"func_name is not text: {metadata!r:.60}")
    return name
