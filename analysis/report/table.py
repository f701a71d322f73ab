"""A table of the report, and how one of its numbers is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
_SCALE = {"share": 100.0, "points": 100.0}
ENDS = ("low", "high")
NOT_MEASURED = "NOT MEASURED"
NO_ARM = "an arm this needs was not sampled"


@dataclass(frozen=True)
class Missing:
    """A number that is not there, and why."""

    reason: str


@dataclass(frozen=True)
class Column:
    """kind: text, count, share (shown in %), points (shown x 100), or as it is with one digit
    (number) or two (decimal)."""

    key: str
    label: str
    kind: str = "text"


def family_columns(*specs: str) -> tuple[Column, ...]:
    """The family, then one column per ``key|label`` or ``key|label|kind``."""
    return Column("family", "family"), *(Column(*spec.split("|")) for spec in specs)


@dataclass(frozen=True)
class Table:
    """rows: column key -> text, number, interval (a mapping with estimate) or Missing.

    name: of the CSV and LaTeX files. The first column is the family; the page heads rows with it.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Json, ...]

    @property
    def notes(self) -> list[str]:
        """Why cells are empty or carry another interval, each reason once, in order."""
        found = (note_on(row[c.key]) for row in self.rows for c in self.columns)
        return list(dict.fromkeys(note for note in found if note))


def known(value: Any, reason: str) -> Any:
    """``value``, or Missing where it is null or an interval without an estimate."""
    empty = value is None or (isinstance(value, Mapping) and value.get("estimate") is None)
    return Missing(reason) if empty else value


def decimal(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no minus zero


def shown(value: Any, kind: str) -> tuple[str, str]:
    """A cell as (text, small print): the small print of an interval is its bounds and its n."""
    if isinstance(value, Missing):
        return "–", ""
    if isinstance(value, Mapping):
        return _one(value["estimate"], kind), _bounds(value, kind)
    return _one(value, kind), ""


def _one(value: Any, kind: str) -> str:
    if kind == "text" or isinstance(value, str):
        return str(value)
    if kind == "count":
        return f"{value:,}".replace(",", "\u202f")
    return decimal(_SCALE.get(kind, 1.0) * value, 2 if kind == "decimal" else 1)


def _bounds(found: Json, kind: str) -> str:
    n = f" n={found['n']}" if found.get("n") is not None else ""
    if found.get("low") is None or found.get("high") is None:
        return f"no interval{n}"
    low, high = (_one(found[key], kind) for key in ENDS)
    return f"[{low}, {high}]{n}"


def note_on(value: Any) -> str | None:
    if isinstance(value, Missing):
        return value.reason
    if isinstance(value, Mapping) and value.get("degenerate"):
        return f"too little variation for a t interval: {value.get('method', 'other')} instead"
    return None
