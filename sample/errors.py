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


def need(condition: bool, where: str, expected: str, given: Any) -> None:
    """Raise a UsageError that names the key of the config, unless the condition holds."""
    if not condition:
        raise UsageError(f"config: {where}: expected {expected} (given: {given!r})")
