"""Aggregator, context or exposure: what of the gap is due to which (H1, H2, H3).

Two factors of the prompt span four arms: *context* (is the prompt as long as a chain's?) and
*exposure* (does it hold the chain's earlier answers?). Parallel has neither, sequential both. Under
the aggregator ``last`` a third factor comes in: *aggregator*, majority or the last answer, for any
arm; of independent attempts the last is as good as any. (Were it each mode's own operator, which is
the last answer only where a chain sees its answers, the loss of the vote could not be told from
exposure: half of it would be called so.) The other aggregators are one operator, so two factors
are left.

Every number is a loss in accuracy, so that the shares add up to the gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells import CellStatistics
from analysis.config import Design
from analysis.factorial import Effect, effect, interactions
from analysis.statistic import Statistic, without_noise

Floats = NDArray[np.float64]

PROMPT = ("context", "exposure")
AGGREGATOR = "aggregator"


@dataclass(frozen=True)
class Attribution:
    """One gap and its parts, on the problems that all its arms have.

    arms: parallel, context, exposure, sequential -> name, None = no problem has all its attempts.
    total: the gap. effects: factor -> its losses. interactions: "context x exposure" and so on.
    split: of what exposure costs on top of the context, "seen" is there for any answers, "own"
    only for the chain's own; empty without the swapped arm, and under "last", for which attempts
    that never see their own answers are no chain. replicates: the least behind a value.
    """

    arms: Mapping[str, str | None]
    total: Statistic
    effects: Mapping[str, Effect]
    interactions: Mapping[str, Statistic]
    split: Mapping[str, Statistic]
    replicates: int


def attribute(
    cells: Mapping[str, CellStatistics], design: Design, aggregator: str
) -> Attribution | None:
    """The parts of the gap of one system; None without both arms of the gap.

    cells: arm -> its statistics.
    """
    if "parallel" not in cells or "sequential" not in cells:
        return None
    level = "majority" if aggregator == "last" else aggregator
    cells = {
        arm: cell
        for arm, cell in cells.items()
        if arm in ("parallel", "sequential") or cell.levels[level].known.any()
    }
    names = ("parallel", design.context, design.exposure, "sequential")
    arms = {
        place: name if name in cells else None
        for place, name in zip(("parallel", *PROMPT, "sequential"), names, strict=True)
    }
    factors = (AGGREGATOR, *PROMPT) if aggregator == "last" else PROMPT
    values = _shared(np.column_stack(_columns(cells, names, aggregator)))
    runs = min(cells[name].levels[level].replicates for name in arms.values() if name)
    return Attribution(
        arms,
        contrast(values[:, 0] - values[:, -1], runs),
        {name: effect(values, i) for i, name in enumerate(factors)},
        {
            f"{factors[i]} x {factors[j]}": contrast(extra, runs, most=2.0)
            for (i, j), extra in interactions(values).items()
        },
        _split(cells, design, aggregator, runs),
        runs,
    )


def contrast(values: Floats, replicates: int, most: float = 1.0) -> Statistic:
    """values: [problem], each in [-most, most]."""
    return without_noise(values, -most, most, replicates)


def _columns(
    cells: Mapping[str, CellStatistics], names: tuple[str, ...], aggregator: str
) -> list[Floats]:
    """The cells in binary order, the first factor fastest; each [problem]."""
    if aggregator != "last":
        return [_values(cells, name, aggregator) for name in names]
    last = ("accuracy", "last", "last", "last")
    pairs = zip(names, last, strict=True)
    return [_values(cells, name, one) for name, own in pairs for one in ("majority", own)]


def _values(cells: Mapping[str, CellStatistics], arm: str, aggregator: str) -> Floats:
    """[problem]; NaN all over for an arm that was not sampled."""
    levels = cells[arm if arm in cells else "parallel"].levels
    if arm not in cells:
        return np.full_like(levels["majority"].values, np.nan)
    return levels[aggregator].values


def _shared(values: Floats) -> Floats:
    """The problems that every sampled cell has."""
    sampled = ~np.isnan(values).all(axis=0)
    return values[~np.isnan(values[:, sampled]).any(axis=1)]


def _split(
    cells: Mapping[str, CellStatistics], design: Design, aggregator: str, replicates: int
) -> dict[str, Statistic]:
    if aggregator == "last" or not {design.swapped, design.context} <= set(cells):
        return {}
    names = (design.context, design.swapped, "sequential")
    before, between, after = _shared(
        np.column_stack([_values(cells, name, aggregator) for name in names])
    ).T
    return {
        "seen": contrast(before - between, replicates),
        "own": contrast(between - after, replicates),
    }
