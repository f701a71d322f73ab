"""Intervals and contrasts as entries of the summary."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.inference import Inference
from analysis.intervals import Interval

Json = dict[str, Any]

SCHEMA_VERSION = 5
"""Of summary.json."""


def interval_json(found: Interval) -> Json:
    """estimate, low, high, n, method, degenerate."""
    return dict(vars(found))


def gap_json(found: Inference | None) -> Json | None:
    """An interval with p values, the bootstrap bounds and the fixed-benchmark bounds."""
    if found is None:
        return None
    return {
        **interval_json(found.interval),
        "p_t": found.p_t,
        "p_flip": found.p_flip,
        "p_mcnemar": found.p_mcnemar,
        "posterior": found.posterior,
        "boot_low": found.boot_low,
        "boot_high": found.boot_high,
        "fixed_low": found.fixed.low,
        "fixed_high": found.fixed.high,
        "fixed_degenerate": found.fixed.degenerate,
    }


def plain_json(value: Any) -> Any:
    """JSON data: numpy scalars as Python ones, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return value.item()
    return value
