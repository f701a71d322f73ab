"""What a run of this size can show: detectable gaps, and problems needed for a claim."""

import math
from collections.abc import Iterator
from typing import Any

from analysis.figures.reading import families, number
from analysis.power import drift
from analysis.quantiles import normal_isf, t_isf
from analysis.report.reading import GAPS, base_gap, base_of, entries_of, settings_of
from analysis.report.sentences import points
from analysis.report.table import ENDS, Json, Missing, Table, family_columns, known

POWER = 0.8


def standard_error(found: Json, settings: Json) -> float:
    """Standard error behind an interval of the summary, under the estimand of the verdict.

    Half the interval's width over its quantile: t with n - 1 degrees of freedom over problems, z
    for these very problems. Approximate where the interval was not a t interval. NaN if unknown.
    """
    alpha, n = float(settings.get("alpha") or math.nan), int(found.get("n") or 0)
    fixed = settings.get("estimand") == "fixed"
    low, high = (number(found.get(f"fixed_{k}" if fixed else k)) for k in ENDS)
    if not fixed and n < 2:
        return math.nan
    quantile = normal_isf(alpha / 2) if fixed else t_isf(alpha / 2, n - 1)
    return (high - low) / 2 / quantile


def needed(now: float, wanted: float, size: int) -> int | None:
    """The size at which ``now``, which falls with the root of the size, falls to ``wanted``."""
    if not (math.isfinite(now) and wanted > 0 and size > 0):
        return None
    return math.ceil(size * (now / wanted) ** 2)


def limits_table(summary: Json) -> Table:
    fixed = settings_of(summary).get("estimand") == "fixed"
    unit = "replicates" if fixed else "problems"
    columns = family_columns(
        "system|system",
        "n|problems|count",
        "least_gap|smallest gap found|points",
        "least_change|smallest DiD found|points",
        "half_width|bound on the rest: half-width|points",
        "reach|below the margin?",
        f"size_gap|{unit} to find a gap of the margin|count",
        f"size_margin|{unit} to show 0 is within the margin|count",
        f"size_parallel|{unit} to show parallel unharmed|count",
    )
    rows = tuple(
        {"family": family, **row}
        for family in families(summary)
        for row in _limit_rows(summary, family)
    )
    caption = (
        f"What this size can show, points; “found” and “show”: with {100 * POWER:g} % power. The "
        "last two columns take the true rest of the gap, and the true change of parallel, to be 0."
    )
    return Table("limits", caption, columns, rows)


def _limit_rows(summary: Json, family: str) -> Iterator[Json]:
    adapters = families(summary)[family].get("adapters") or {}
    for name, entry in adapters.items():
        yield {"system": name, **_limit_values(entry or {}, settings_of(summary))}
    if not adapters and base_gap(summary, family):
        only_gap = {"gap_base": base_gap(summary, family)}
        name = base_of(summary, family)
        yield {"system": name, **_limit_values(only_gap, settings_of(summary))}


def _limit_values(entry: Json, settings: Json) -> dict[str, Any]:
    """entry: of an adapter; a gap it lacks makes the numbers that hang on it Missing."""
    alpha, margin = number(settings.get("alpha")), number(settings.get("margin"))
    gaps = {key: entry.get(key) or {} for key in (*GAPS, "parallel_change")}
    error = {key: standard_error(found, settings) for key, found in gaps.items()}
    two, one = drift(alpha, POWER, 2), drift(alpha, POWER, 1)
    half = half_width(gaps["gap_adapted"], settings)
    n = int(gaps["gap_base"].get("n") or 0)
    size = int(settings.get("replicates") or 0) if settings.get("estimand") == "fixed" else n
    values = {
        "n": n or None,
        "least_gap": _finite(two * error["gap_base"]),
        "least_change": _finite(two * error["did"]),
        "half_width": _finite(half),
        "reach": None if math.isnan(half) else ("yes" if half < margin else "no"),
        "size_gap": needed(two * error["gap_base"], margin, size),
        "size_margin": needed(one * error["gap_adapted"], margin, size),
        "size_parallel": needed(one * error["parallel_change"], margin, size),
    }
    return {
        key: known(value, "there is no interval to start from") for key, value in values.items()
    }


def half_width(found: Json, settings: Json) -> float:
    """Distance from the estimate to the one-sided bound that is held against the margin."""
    alpha, n = number(settings.get("alpha")), int(found.get("n") or 0)
    if settings.get("estimand") == "fixed":
        return normal_isf(alpha) * standard_error(found, settings)
    return t_isf(alpha, max(n - 1, 1)) * standard_error(found, settings)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def limit_sentences(summary: Json) -> list[str]:
    """What the numbers of this run can and cannot carry, one sentence each."""
    said = [s for family in families(summary) for s in _family_limits(summary, family)]
    methods = list(entries_of(summary, "methods"))
    single = list(dict.fromkeys(name for _, _, name, m in methods if m.get("seeds") == 1))
    if single:
        named = ", ".join(single)
        said.append(
            f"One training seed ({named}): the verdict is about this adapter, not about the method."
        )
    if not any(True for _ in entries_of(summary, "models")):
        said.append(
            "No negative control was sampled: that the verdict stays silent where there is no gap "
            "is not checked on this run."
        )
    return said


def _family_limits(summary: Json, family: str) -> Iterator[str]:
    settings = settings_of(summary)
    rows = list(_limit_rows(summary, family))
    gaps = [row["least_gap"] for row in rows if not isinstance(row["least_gap"], Missing)]
    if gaps:
        factor = drift(number(settings.get("alpha")), POWER)
        yield (
            f"{family}: a true base gap below {points(max(gaps))} points ({factor:.2f} standard "
            f"errors) would be missed more often than one time in {1 / (1 - POWER):.0f}."
        )
    asked = [row for row in rows if not isinstance(row["reach"], Missing)]
    if not asked:
        return
    far = [row["system"] for row in asked if row["reach"] == "no"]
    widest = max(row["half_width"] for row in asked)
    margin = points(number(settings.get("margin")))
    start = (
        f"{family}: the one-sided bound on the remaining gap lies up to {points(widest)} points "
        f"above the estimate, against a margin of {margin}"
    )
    if far:
        named = ", ".join(far)
        yield f"{start}; for {named} not even a remaining gap of exactly 0 would be shown closed."
    else:
        yield f"{start}, so a remaining gap of 0 could be shown to be within it."
