"""``--grid``: methods times values, each cell a method of its own in one run."""

import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from itertools import product
from typing import Any

from sample.errors import UsageError
from train.config import SETTABLE

Axis = tuple[tuple[str, ...], list[Any]]
"""Keys below ``train``, and the values that they take."""


def expand(data: Mapping[str, Any], grid: Sequence[str]) -> dict[str, Any]:
    """The YAML data with every method replaced by its cells.

    grid: KEY=V1,V2,.. with KEY train.methods.METHOD.… (cells of that method) or train.KEY (cells of
    every method). A cell is called METHOD-keyVALUE-…; the first methods stay in no other form. One
    that goes on from another method does so from its cell of the same values.

    Raises:
        UsageError: a malformed grid, an unknown method, a key that no method can set, or a method
            that would go on from several cells.
    """
    methods = _methods(data)
    axes = [_axis(text, methods) for text in grid]
    if len({keys for keys, _ in axes}) < len(axes):
        raise UsageError("--grid takes each key once; give all its values in one, as KEY=V1,V2")
    cells: dict[str, Any] = {}
    for name, method in methods.items():
        own = [axis for axis in axes if axis[0][0] != "methods" or axis[0][1] == name]
        for values in product(*(values for _, values in own)):
            chosen = [(keys, value) for (keys, _), value in zip(own, values, strict=True)]
            cell = _cell(method, chosen)
            if cell.get("start") in methods:
                cell["start"] = _start(name, cell["start"], chosen, axes)
            cells[_name(name, chosen)] = cell
    return {**data, "train": {**data["train"], "methods": cells}}


def _start(
    name: str, start: str, chosen: Sequence[tuple[tuple[str, ...], Any]], axes: Sequence[Axis]
) -> str:
    for keys, _ in axes:
        if keys[:2] == ("methods", start):
            raise UsageError(
                f"--grid train.{'.'.join(keys)}: {name} goes on from {start}, which would become "
                f"several; give both a key of train, or take {name} out of the config"
            )
    return _name(start, [one for one in chosen if one[0][0] != "methods"])


def _methods(data: Mapping[str, Any]) -> Mapping[str, Any]:
    train = data.get("train")
    methods = train.get("methods") if isinstance(train, Mapping) else None
    if not isinstance(methods, Mapping) or not methods:
        raise UsageError("--grid needs a config with train.methods")
    return methods


def _axis(text: str, methods: Mapping[str, Any]) -> Axis:
    import yaml

    key, sep, values = text.partition("=")
    head, *keys = key.split(".")
    if not sep or not values or head != "train" or not keys or not all(keys):
        raise UsageError(
            f"--grid takes train.KEY=V1,V2,.. e.g. train.learning_rate=1e-3,5e-4 (given: {text!r})"
        )
    if keys[0] == "methods":
        _check_method(text, keys, methods)
    elif len(keys) > 1 or keys[0] not in SETTABLE:
        raise UsageError(
            f"--grid {text}: takes train.methods.METHOD.… or train. with one of "
            f"{', '.join(SETTABLE)}"
        )
    try:
        return tuple(keys), yaml.safe_load(f"[{values}]")
    except yaml.YAMLError:
        raise UsageError(f"--grid {text}: the values are not valid YAML") from None


def _check_method(text: str, keys: Sequence[str], methods: Mapping[str, Any]) -> None:
    if len(keys) < 3 or keys[1] not in methods:
        raise UsageError(
            f"--grid {text}: takes train.methods.METHOD.KEY with METHOD one of {', '.join(methods)}"
        )


def _name(method: str, chosen: Iterable[tuple[tuple[str, ...], Any]]) -> str:
    """Unique in a grid: two keys that end alike are told apart by their last two parts."""
    chosen = list(chosen)
    ends = [keys[-1] for keys, _ in chosen]
    parts = [
        f"{keys[-1] if ends.count(keys[-1]) == 1 else '.'.join(keys[-2:])}{value}"
        for keys, value in chosen
    ]
    return "-".join([method, *(re.sub(r"[^\w.-]+", "_", part).strip("_") for part in parts)])


def _cell(method: Any, chosen: Iterable[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    cell = deepcopy(dict(method or {}))
    for keys, value in chosen:
        *parents, last = keys[2:] if keys[0] == "methods" else ("set", *keys)
        place = cell
        for key in parents:
            place[key] = {**place[key]} if isinstance(place.get(key), Mapping) else {}
            place = place[key]
        place[last] = value
    return cell
