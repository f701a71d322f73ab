"""Errors the user can mend: the command line prints their text on one line and exits."""


class ForageError(Exception):
    """A run that could not go on; exit code 1."""

    exit_code = 1


class UsageError(ForageError):
    """Bad usage, config, model folder or records; the text says what to type next; exit code 2."""

    exit_code = 2
