"""Python values as JSON data and back, types kept; reading builds plain data and runs no code."""

from collections.abc import Callable, Iterator
from typing import Any

_BUILDERS: dict[str, Callable[[list], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "iterator": iter,
    "bytes": bytes,
    "complex": lambda parts: complex(*parts),
}


def encode(value: Any) -> Any:
    """JSON data that ``decode`` turns into an equal value.

    Subclasses become the plain type, so that no method of the program crosses; iterators are
    exhausted.

    Raises:
        TypeError: the value is no data (a function, an instance of a class of the program).
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(item)] for key, item in value.items()]}
    for kind in (tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [encode(item) for item in value]}
    if isinstance(value, Iterator):
        return {"iterator": [encode(item) for item in value]}
    raise TypeError(f"a value of type {type(value).__name__} is no plain data")


def decode(data: Any) -> Any:
    """The value that ``encode`` was given.

    Raises:
        ValueError: not what ``encode`` writes.
    """
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    try:
        ((kind, items),) = data.items()
        return _BUILDERS[kind]([decode(item) for item in items])
    except (KeyError, TypeError, ValueError):
        raise ValueError("not an encoded value") from None
