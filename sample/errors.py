"""Errors the user can mend: the command line prints their text on one line and exits."""

from typing import Any


class ForageError(Exception):
    """A run that could not go on; exit code 1."""

    exit_code = 1


class UsageError(ForageError):
    """Bad usage, config, model folder or records; the text says what to type next; exit code 2."""

    exit_code = 2


def one_line(error: object, most: int = 300) -> str:
    """The text of an error of another library, for a message of one line."""
    return " ".join(str(error).split())[:most]


def need(condition: bool, where: str, expected: str, given: Any, of: str = "config") -> None:
    """Raise a UsageError that names the key, unless the condition holds.

    of: what the key is one of: the config or a verb with options.
    """
    if not condition:
        raise UsageError(f"{of}: {where}: expected {expected} (given: {given!r})")
