"""A strategy of the user's own, ``path/to/file.py:function`` in a config.

The function is ``async def function(chain: Chain) -> None`` (see ``sample.strategies.base``); a
dataclass ``Options`` in the same file, if there is one, holds its options. The file is executed by
the command and by each worker, so it is trusted like any program that the user runs.
"""

import hashlib
import inspect
import sys
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from sample.errors import UsageError
from sample.strategies.base import NoOptions, Strategy


def is_user_strategy(name: str) -> bool:
    return ":" in name


def source_hash(name: str) -> str:
    """A hash of the content of the strategy's file; files that it imports are not in it.

    Raises:
        UsageError: no such file.
    """
    return hashlib.blake2b(_source(name), digest_size=8).hexdigest()


def load_user_strategy(name: str) -> Strategy:
    """
    Raises:
        UsageError: no such file or function, or a file that cannot be executed.
    """
    path, _, function = name.rpartition(":")
    module = _execute(path, _source(name))
    walk = getattr(module, function, None)
    if not inspect.iscoroutinefunction(walk):
        known = [n for n, f in vars(module).items() if inspect.iscoroutinefunction(f)]
        raise UsageError(
            f"config: {path} has no 'async def {function}(chain)'; "
            f"its async functions: {', '.join(known) or 'none'}"
        )
    options = getattr(module, "Options", NoOptions)
    if not isinstance(options, type) or not is_dataclass(options):
        raise UsageError(f"config: Options in {path} must be a dataclass; put @dataclass above it")
    return Strategy(walk, options)


def _source(name: str) -> bytes:
    path = name.rpartition(":")[0]
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"config: strategy {name!r}: cannot read {path!r} ({error.strerror}); expected "
            "FILE.py:FUNCTION, the file seen from the folder the command runs in"
        ) from None


@cache
def _execute(path: str, source: bytes) -> ModuleType:
    """The very bytes that were hashed, not what an import cache holds."""
    digest = hashlib.blake2b(source, digest_size=8).hexdigest()
    module = ModuleType(f"forage_user_strategy_{digest}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses look their annotations up
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise UsageError(f"config: strategy file {path} cannot be executed: {what}") from None
    return module
