"""What the figures read out of a summary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.figures.style import DASHES, METHODS, SOFT

Json = Mapping[str, Any]
Floats = NDArray[np.float64]


def families(summary: Json) -> dict[str, Json]:
    return {name: family or {} for name, family in (summary.get("families") or {}).items()}


def number(value: Any) -> float:
    """NaN for what is no number."""
    return float(value) if isinstance(value, int | float) else math.nan


@dataclass(frozen=True)
class Curve:
    """One statistic by step k = 1..N, as shares; NaN where not known."""

    k: Floats
    estimate: Floats
    low: Floats
    high: Floats

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.estimate).any())


def curve(family: Json, system: str, arm: str, name: str) -> Curve:
    """A curve of the summary; empty where the summary has none."""
    arms = ((family.get("systems") or {}).get(system) or {}).get("arms") or {}
    points = ((arms.get(arm) or {}).get("by_step") or {}).get(name) or []
    columns = [_column(points, key) for key in ("estimate", "low", "high")]
    return Curve(np.arange(1, len(points) + 1, dtype=float), *columns)


def _column(points: Sequence[Json | None], key: str) -> Floats:
    return np.array([number((point or {}).get(key)) for point in points], dtype=float)


@dataclass(frozen=True)
class Group:
    """Systems drawn alike: the base alone, or the adapters of one training method."""

    method: str
    systems: tuple[str, ...]
    colour: str
    dash: Any = "-"

    @property
    def label(self) -> str:
        seeds = len(self.systems)
        return f"{self.method} ({seeds} seeds)" if seeds > 1 else self.method


def groups(summary: Json) -> list[Group]:
    """The base, then each training method in the order of the summary, over all families."""
    bases: list[str] = []
    methods: dict[str, list[str]] = {}
    for family in families(summary).values():
        for name, entry in (family.get("adapters") or {}).items():
            bases.append((entry or {}).get("base") or "base")
            members = methods.setdefault((entry or {}).get("method") or name, [])
            if name not in members:
                members.append(name)
    bases = bases or _models(summary)[:1]
    found = [Group(base, (base,), SOFT) for base in dict.fromkeys(bases)]
    for i, (method, members) in enumerate(methods.items()):
        dash = DASHES[i // len(METHODS) % len(DASHES)]
        found.append(Group(method, tuple(members), METHODS[i % len(METHODS)], dash))
    return found


def _models(summary: Json) -> list[str]:
    return [name for family in families(summary).values() for name in family.get("systems") or {}]


def has(family: Json, drawn: Sequence[Group], statistic: str) -> bool:
    """Whether the family has a curve of the statistic in any of the groups."""
    return any(
        curve(family, system, arm, statistic).known
        for group in drawn
        for system in group.systems
        for arm in ("parallel", "sequential")
    )
