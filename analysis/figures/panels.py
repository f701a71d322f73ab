"""Small multiples, two abreast: which families and groups of systems stand where."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.figures.reading import Group, Json, families, groups


@dataclass(frozen=True)
class Panel:
    """One family under one group of systems."""

    name: str
    family: Json
    group: Group


def two_abreast(summary: Json, known: Callable[[Json, Group], bool]) -> list[tuple[Any, ...]]:
    """Two families: a column each. Otherwise family after family, two groups to a row.

    known: whether there is anything to draw of a group on a family. None stands for no panel.
    """
    blocks = [
        [Panel(name, family, group) for group in groups(summary) if known(family, group)]
        for name, family in families(summary).items()
    ]
    if len(blocks) == 2:
        return list(itertools.zip_longest(*blocks))
    return [pair for block in blocks for pair in itertools.zip_longest(block[::2], block[1::2])]
