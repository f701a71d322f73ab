"""The record store: ``attempts.jsonl``, one JSON line per finished attempt.

A line holds the fields of ``sample.records.Attempt`` under their own names, in any order, with
``ledger`` (and ``failure``, if any) as objects with the fields of their dataclasses, ``rejected``
as a list of such objects. Every field is written; one that has a default may be missing. The file
is append-only and has one writer; a line that a kill cut short is owed again. Only
``sample.withdrawal`` takes lines out, before a run.
"""

import json
import os
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from sample.errors import ForageError, UsageError
from sample.records import ANSWER, SCHEMA_VERSION, TRACE, Attempt, Draw, Failure, Ledger

_FINISHES = ("stop", "length", "budget", "error", "skipped", "unmade")
_INT, _TEXT, _BOOL, _NONE = frozenset((int,)), frozenset((str,)), frozenset((bool,)), type(None)
_TYPES: dict[str, frozenset[type]] = {
    "family": _TEXT,
    "problem": _TEXT,
    "arm": _TEXT,
    "system": _TEXT,
    "replicate": _INT,
    "step": _INT,
    "seed": _INT,
    "thinking": _TEXT,
    "text": _TEXT,
    "answer": _TEXT | {_NONE},
    "canonical": _TEXT | {_NONE},
    "correct": _BOOL | {_NONE},
    "finish": _TEXT,
    "ledger": frozenset((dict,)),
    "failure": frozenset((dict, _NONE)),
    "config": _TEXT,
    "rejected": frozenset((list,)),
    "score": frozenset((int, float, _NONE)),
    "weight": frozenset((int, float, _NONE)),
    "engine": _TEXT,
    "graded": _TEXT,
    "schema_version": _INT,
}
_LEDGER_TYPES: dict[str, frozenset[type]] = {
    "prompt": _INT,
    "cached": _INT | {_NONE},
    "thinking": _INT,
    "answer": _INT,
    "seconds": frozenset((int, float)),
}
_FAILURE_TYPES: dict[str, frozenset[type]] = {"type": _TEXT, "message": _TEXT}
_DRAW_TYPES = {name: _TYPES[name] for name in ("seed", "thinking", "text", "canonical", "finish")}
_DRAW_TYPES["ledger"] = _TYPES["ledger"]
_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    _NONE: "null",
}


class _Malformed(Exception):
    """What is wrong with one line."""


def read_attempts(path: Path) -> list[Attempt]:
    """Every finished attempt in the file, in file order; a last line cut short is left out.

    Raises:
        UsageError: no such file, or a line that is no valid attempt or repeats another's key.
    """
    return list(iterate_attempts(path))


def iterate_attempts(path: Path) -> Iterator[Attempt]:
    """The same one by one, so that the texts of a large run need not be in memory at once.

    Raises:
        UsageError: as there, when it comes to the line.
    """
    lines: dict[tuple[str, str, str, int, int], int] = {}
    for number, line in _complete_lines(path):
        attempt = _parse(line, path, number)
        first = lines.setdefault(attempt.key, number)
        if first != number:
            same = f"the same attempt as line {first} ({_show_key(attempt)})"
            _refuse(path, number, same, "delete one of the two lines")
        yield attempt


def to_line(attempt: Attempt) -> bytes:
    """The attempt as one JSON line, pure ASCII, so that no text can break a line or an encoding."""
    return json.dumps(msgspec.to_builtins(attempt), separators=(",", ":")).encode() + b"\n"


class AttemptStore:
    """The one writer of a record file.

    attempts: what the file held when it was opened. Opening mends the end of the file: a line cut
    short is removed, a missing last newline is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            self.attempts = read_attempts(path)
            self._size = self._mend_end()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, attempt: Attempt) -> None:
        """Write one line and hand it to the operating system before returning.

        Raises:
            ForageError: disk full or another write error; all earlier lines are whole.
        """
        line = to_line(attempt)
        self._write(line)
        self._size += len(line)

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> "AttemptStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mend_end(self) -> int:
        whole, rest = _last_line(self.path)
        if _is_json(rest):
            self._size = whole + len(rest)
            self._write(b"\n")
            return self._size + 1
        if rest:
            os.ftruncate(self._file, whole)
        return whole

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise ForageError(
                f"cannot write {self.path}: {error.strerror}; every finished attempt is kept: "
                "mend this (free some space) and give the same command again"
            ) from None


def _last_line(path: Path) -> tuple[int, bytes]:
    """How many bytes the complete lines take, and what follows them. Reads the end only."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return 0, b""
        with mmap(file.fileno(), size, access=ACCESS_READ) as data:
            whole = data.rfind(b"\n") + 1
            return whole, data[whole:]


def _complete_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n") or _is_json(line):
                    yield number, line
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}; make records with: forage sample CONFIG"
        ) from None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _parse(line: bytes, path: Path, number: int) -> Attempt:
    """The attempt of a line; what the fast way refuses is looked at by hand."""
    try:
        return _read_fast(line) or _read_by_hand(line)
    except _Malformed as error:
        _refuse(path, number, str(error))


def _read_fast(line: bytes) -> Attempt | None:
    """With the types and bounds that ``sample.records`` names; None if the line has others."""
    try:
        attempt = _DECODE(line)
    except ValueError:
        return None
    return attempt if attempt.finish in _FINISHES else None


def _read_by_hand(line: bytes) -> Attempt:
    """Finds the words for what is wrong, and the odd line that is right all the same: half a
    surrogate pair in a text, which a server may send."""
    attempt = _attempt(_decode(line))
    _check_ranges(attempt)
    return attempt


def _decode(line: bytes) -> Any:
    try:
        return _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        raise _Malformed("not valid JSON") from None


def _attempt(data: Any) -> Attempt:
    if type(data) is not dict:
        raise _Malformed("not a JSON object")
    data = {**_DEFAULTS, **data}
    if data["schema_version"] != SCHEMA_VERSION:
        raise _Malformed(_other_version(data["schema_version"]))
    _check(data, _TYPES, "")
    failure = data["failure"]
    if failure is not None:
        _check(failure, _FAILURE_TYPES, "failure.")
        failure = Failure(**failure)
    rejected = tuple(_draw(draw) for draw in data["rejected"])
    ledger = _ledger(data["ledger"])
    return Attempt(**{**data, "ledger": ledger, "failure": failure, "rejected": rejected})


def _draw(data: Any) -> Draw:
    if type(data) is not dict:
        raise _Malformed("field 'rejected' holds no object")
    _check(data, _DRAW_TYPES, "rejected.")
    return Draw(**{**data, "ledger": _ledger(data["ledger"])})


def _ledger(data: dict[str, Any]) -> Ledger:
    _check(data, _LEDGER_TYPES, "ledger.")
    return Ledger(**data)


def _check_ranges(attempt: Attempt) -> None:
    if attempt.schema_version != SCHEMA_VERSION:
        raise _Malformed(_other_version(attempt.schema_version))
    if attempt.finish not in _FINISHES:
        given = f"field 'finish' is {attempt.finish!r}"
        raise _Malformed(f"{given}, expected {' or '.join(_FINISHES)}")
    if attempt.graded not in (ANSWER, TRACE):
        raise _Malformed(f"field 'graded' is {attempt.graded!r}, expected {ANSWER} or {TRACE}")
    if attempt.replicate < 0 or attempt.step < 1:
        raise _Malformed("'replicate' counts from 0 and 'step' from 1")
    if (attempt.weight or 0) < 0:
        raise _Malformed("a 'weight' below 0")
    _check_ledger(attempt.ledger)
    for draw in attempt.rejected:
        _check_ledger(draw.ledger)


def _check_ledger(found: Ledger) -> None:
    least = min(found.prompt, found.cached or 0, found.thinking, found.answer, found.seconds)
    if least < 0:
        raise _Malformed("a number below 0 in 'ledger'")


def _other_version(version: object) -> str:
    return f"schema_version {version!r}, expected {SCHEMA_VERSION}"


def _check(data: dict[str, Any], types: dict[str, frozenset[type]], prefix: str) -> None:
    try:
        for name, allowed in types.items():
            if type(data[name]) not in allowed:
                expected = " or ".join(sorted(_NAMES[kind] for kind in allowed))
                given = f"field '{prefix}{name}' is {data[name]!r:.60}"
                raise _Malformed(f"{given}, expected {expected}")
    except KeyError:
        raise _Malformed(f"no field '{prefix}{name}'") from None
    if len(data) != len(types):
        unknown = next(name for name in data if name not in types)
        raise _Malformed(f"unknown field '{prefix}{unknown}'")


def _refuse(
    path: Path,
    number: int,
    what: str,
    remedy: str = "delete this line: its attempt will be sampled again by the next run",
) -> NoReturn:
    raise UsageError(f"{path}, line {number}: {what}; {remedy}")


def _show_key(attempt: Attempt) -> str:
    return (
        f"problem {attempt.problem}, arm {attempt.arm}, system {attempt.system}, "
        f"replicate {attempt.replicate}, step {attempt.step}"
    )


def _not_finite(text: str) -> NoReturn:
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_constant=_not_finite)
_DEFAULTS = {
    "failure": None, "config": "", "rejected": [], "score": None, "weight": None, "engine": "",
    "graded": ANSWER, "schema_version": SCHEMA_VERSION,
}  # fmt: skip
_DECODE = msgspec.json.Decoder(Attempt).decode
assert set(_TYPES) == set(Attempt.__struct_fields__)
