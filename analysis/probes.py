"""What probes say: copies, attention and log-probabilities of each system beside the base.

Every number is the mean over problems of one value per problem, and a difference to the base is
taken problem by problem, on the same prefixes.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.intervals import Interval, interval, t_interval
from analysis.numbers import Json, interval_json, plain_json
from analysis.statistic import without_noise
from sample.probes import Probe, ProbeConfig, Probes, Reading
from sample.records import Attempt

Pair = tuple[Probe, Probe]
"""A probe, and the base's on the same prefix."""
Value = Callable[[Probe, Probe], float]
"""A pair -> its number; NaN where there is none."""

SCHEMA_VERSION = 1
"""Of probes.json."""


def probes_json(probes: Probes, settings: ProbeConfig, alpha: float, notes: Sequence[str]) -> Json:
    """The content of probes.json (see docs/probes.md).

    probes: the base's first. alpha: intervals are two-sided at 1 - alpha. notes: to carry along.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "settings": {**vars(settings), "base": next(iter(probes)), "alpha": alpha},
        "families": plain_json(_families(probes, alpha)),
        "notes": list(notes),
    }


def _families(probes: Probes, alpha: float) -> Json:
    """family -> n_problems, and of each system its first attempts and those at each depth."""
    base = next(iter(probes.values()))
    families: Json = {}
    for family in dict.fromkeys(probe.prefix.problem.family for probe in base):
        pairs = {
            name: [p for p in zip(made, base, strict=True) if p[0].prefix.problem.family == family]
            for name, made in probes.items()
        }
        families[family] = {
            "n_problems": len({probe.prefix.problem.id for probe, _ in next(iter(pairs.values()))}),
            "systems": {name: _system(found, alpha) for name, found in pairs.items()},
        }
    return families


def _system(pairs: Sequence[Pair], alpha: float) -> Json:
    depths: dict[int, list[Pair]] = {}
    for probe, base in pairs:
        depths.setdefault(probe.prefix.depth, []).append((probe, base))
    return {
        "first": _measured(depths.pop(0), FIRST, alpha),
        "depths": {str(k): _later(found, alpha) for k, found in sorted(depths.items())},
    }


def _later(pairs: Sequence[Pair], alpha: float) -> Json:
    layers = max((len(_looks(probe.readings)) for probe, _ in pairs), default=0)
    by_layer: dict[str, tuple[Value, bool]] = {
        str(layer): (_layer(layer), False) for layer in range(layers)
    }
    found = _measured(pairs, LATER, alpha)
    return found | {"attention_by_layer": [*_measured(pairs, by_layer, alpha).values()]}


def _measured(
    pairs: Sequence[Pair], measures: Mapping[str, tuple[Value, bool]], alpha: float
) -> Json:
    return {name: _measure(pairs, *measure, alpha) for name, measure in measures.items()}


def _measure(pairs: Sequence[Pair], value: Value, is_share: bool, alpha: float) -> Json:
    """level: of the system. difference: to the base, None for the base itself."""
    own = np.array([value(probe, base) for probe, base in pairs])
    found = {"level": interval_json(_interval(own, 0.0, is_share, alpha)), "difference": None}
    if any(probe.system != base.system for probe, base in pairs):
        change = own - np.array([value(base, base) for _, base in pairs])
        found["difference"] = interval_json(_interval(change, -1.0, is_share, alpha))
    return found


def _interval(values: NDArray[np.float64], low: float, is_share: bool, alpha: float) -> Interval:
    """t over problems; of shares that hardly vary, and of numbers without bounds of one problem,
    see ``analysis.intervals.interval``."""
    if is_share:
        return interval(without_noise(values, low), alpha)
    d = values[~np.isnan(values)]
    if len(d) < 2:
        return Interval(float(d.mean()) if len(d) else math.nan, math.nan, math.nan, len(d))
    return Interval(float(d.mean()), *t_interval(d, alpha), len(d), "t", bool(np.ptp(d) < 1e-12))


def accuracy(probe: Probe, base: Probe) -> float:
    """Share of the attempts that are correct, of those that are graded."""
    return _mean(a.correct for a in _made(probe) if a.correct is not None)


def distinct(probe: Probe, base: Probe) -> float:
    """How many different answers the M attempts give; NaN unless all were made."""
    made = _made(probe)
    found = {a.canonical for a in made} - {None}
    return float(len(found)) if made and len(made) == len(probe.drawn) else math.nan


def copy(probe: Probe, base: Probe) -> float:
    """Share of the attempts whose answer stands in the history."""
    return _mean(_is_copy(probe, a) for a in _made(probe))


def copy_right(probe: Probe, base: Probe) -> float:
    """Share of the attempts that copy a correct answer."""
    return _mean(probe.prefix.answers.get(a.canonical or "") is True for a in _made(probe))


def copy_wrong(probe: Probe, base: Probe) -> float:
    """Share of the attempts that copy a wrong answer."""
    return _mean(probe.prefix.answers.get(a.canonical or "") is False for a in _made(probe))


def kept(probe: Probe, base: Probe) -> float:
    """Accuracy after a history that holds a correct answer; what is missing to 1 has left it."""
    return accuracy(probe, base) if True in probe.prefix.answers.values() else math.nan


def found(probe: Probe, base: Probe) -> float:
    """Accuracy after a history that holds no correct answer."""
    known = not {True, None} & set(probe.prefix.answers.values())
    return accuracy(probe, base) if known else math.nan


def attention(probe: Probe, base: Probe) -> float:
    """See ``Reading.attention``; mean over layers."""
    return _mean(x for x in _looks(probe.readings) if not math.isnan(x))


def _layer(layer: int) -> Value:
    def value(probe: Probe, base: Probe) -> float:
        by_layer = _looks(probe.readings)
        return by_layer[layer] if by_layer else math.nan

    return value


def logp_copy(probe: Probe, base: Probe) -> float:
    """Mean log-probability per token of the base's copies; nats."""
    return _mean(reading.logp for reading, is_copy in _read(probe, base) if is_copy)


def logp_new(probe: Probe, base: Probe) -> float:
    """The same of the base's answers that are not in the history."""
    return _mean(reading.logp for reading, is_copy in _read(probe, base) if not is_copy)


def copy_margin(probe: Probe, base: Probe) -> float:
    """By how much a token of the base's copies is more probable than one of its new answers."""
    return logp_copy(probe, base) - logp_new(probe, base)


FIRST: Mapping[str, tuple[Value, bool]] = {
    "accuracy": (accuracy, True),
    "distinct": (distinct, False),
}
LATER: Mapping[str, tuple[Value, bool]] = {
    "copy": (copy, True),
    "copy_right": (copy_right, True),
    "copy_wrong": (copy_wrong, True),
    "kept": (kept, True),
    "found": (found, True),
    "attention": (attention, False),
    "logp_copy": (logp_copy, False),
    "logp_new": (logp_new, False),
    "copy_margin": (copy_margin, False),
}
"""Name -> value, and whether it is a share."""


def _made(probe: Probe) -> list[Attempt]:
    return [attempt for attempt in probe.drawn if attempt.finish != "error"]


def _is_copy(probe: Probe, attempt: Attempt) -> bool:
    return attempt.canonical is not None and attempt.canonical in probe.prefix.answers


def _read(probe: Probe, base: Probe) -> Iterator[tuple[Reading, bool]]:
    """The base's attempts with an answer as the system reads them, and whether each is a copy."""
    for reading, made in zip(probe.readings, base.drawn, strict=bool(probe.readings)):
        if reading is not None and made.canonical is not None:
            yield reading, _is_copy(base, made)


def _looks(readings: Iterable[Reading | None]) -> tuple[float, ...]:
    """The attention by layer of the one attempt that was asked for it; () if none was."""
    return next((r.attention for r in readings if r is not None and r.attention), ())


def _mean(values: Iterable[float]) -> float:
    found = [float(value) for value in values]
    return sum(found) / len(found) if found else math.nan
