"""What ``--list-strategies`` shows: names, rules, options, read from the strategies themselves."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from sample.strategies import STRATEGIES
from sample.strategies.base import Strategy


@dataclass(frozen=True)
class OptionRow:
    name: str
    meaning: str
    default: Any

    def __str__(self) -> str:
        return _indented(f"{self.name} = {self.default!r}  {self.meaning}".rstrip(), 4)


@dataclass(frozen=True)
class StrategyRow:
    """rule: one sentence."""

    name: str
    rule: str
    options: tuple[OptionRow, ...]

    def __str__(self) -> str:
        return "\n".join([self.name, _indented(self.rule, 2), *map(str, self.options)])


def _indented(text: str, margin: int) -> str:
    first, rest = " " * margin, " " * (margin + 2)
    return textwrap.fill(text, 100, initial_indent=first, subsequent_indent=rest)


def catalogue() -> list[StrategyRow]:
    """One row per strategy of the toolkit, in the order of ``STRATEGIES``."""
    return [describe(name, strategy) for name, strategy in STRATEGIES.items()]


def describe(name: str, strategy: Strategy) -> StrategyRow:
    """The row of one strategy, a user's own too; an option no docstring explains has no meaning."""
    meanings = dict(_meanings(strategy.options))
    options = (
        OptionRow(option.name, meanings.get(option.name, ""), _default(option))
        for option in fields(strategy.options)
    )
    return StrategyRow(name, strategy.rule, tuple(options))


def _default(option: Field[Any]) -> Any:
    if option.default_factory is not MISSING:
        return option.default_factory()
    return None if option.default is MISSING else option.default


def _meanings(options: type) -> Iterator[tuple[str, str]]:
    """(option, meaning) from "option: meaning" in the docstrings of the class and its bases."""
    names = "|".join(option.name for option in fields(options))
    for kind in reversed(options.__mro__[:-1]):
        doc = " ".join((kind.__dict__.get("__doc__") or "").split())
        for found in re.finditer(
            rf"(?:^|(?<=\. ))({names}): (.*?)(?=$|(?<=\.) (?:{names}): )", doc
        ):
            yield found[1], found[2]
