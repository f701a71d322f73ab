"""The report of a run: one self-contained HTML page, its figures, its tables as CSV and LaTeX.

The summary is the only input; every number shown is one of its numbers or computed from them here.
A table is built once and written three times, so page, CSV and LaTeX cannot disagree. CSV holds
the summary's numbers unrounded, as shares; page and LaTeX show per cent and points.
"""

import csv
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from scipy import stats

from analysis.figures import PALETTE, Metrics, families, number, save_figures
from sample.errors import UsageError

Json = Mapping[str, Any]

SCHEMA_VERSION = 1
POWER = 0.8
PAIR = ("parallel", "sequential")
GAPS = ("gap_base", "gap_adapted", "did")
_ARM_CHANGES = ("sequential_change", "parallel_change")
_PARTS = ("low", "high", "n", "p_t", "p_flip", "boot_low", "boot_high", "fixed_low", "fixed_high")
_METHOD = ("method", "degenerate")
_SCALE = {"share": 100.0, "points": 100.0}
_ENDS = ("low", "high")

MEANINGS = {
    "CLOSED": "the gap shrank, what remains is below the margin, and parallel kept its accuracy",
    "CLOSED_BY_DAMAGE": "the gap closed, but parallel may have lost more than the margin",
    "NARROWED": "the gap shrank, but that the rest is below the margin is not shown",
    "NOT_SHOWN": "that the gap shrank is not shown",
    "NO_GAP": "there is no gap to close",
}
UNREGISTERED = "all four tests passed, but the settings were not fixed before sampling"
NOT_MEASURED = "NOT MEASURED"


@dataclass(frozen=True)
class Missing:
    """A number that is not there, and why."""

    reason: str


@dataclass(frozen=True)
class Column:
    """kind: text, count, share (shown in %), points (shown x 100) or number (as it is)."""

    key: str
    label: str
    kind: str = "text"


def _columns(*specs: str) -> tuple[Column, ...]:
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
        found = (_note(row[c.key]) for row in self.rows for c in self.columns)
        return list(dict.fromkeys(note for note in found if note))


def write_report(summary: Json, folder: str | Path, metrics: Metrics | None = None) -> Path:
    """Write report.html, figures/ and tables/ to ``folder``; returns the path of the page.

    summary: as read from summary.json; metrics: adapter -> its training log, if there is one.

    Raises:
        UsageError: the summary is of another schema version, or no summary at all.
    """
    _require_summary(summary)
    target = Path(folder)
    figures = save_figures(summary, target, metrics)
    tables = build_tables(summary)
    save_tables(tables.values(), target / "tables")
    _write_rows(target / "tables" / "curves.csv", curve_rows(summary))
    page = _page(summary, tables, figures)
    path = target / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _require_summary(summary: Json) -> None:
    version = summary.get("schema_version") if isinstance(summary, Mapping) else None
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"summary.json: schema_version must be {SCHEMA_VERSION} (given: {version!r}); "
            "make it anew with: forage analyze <run folder>"
        )


def build_tables(summary: Json) -> dict[str, Table]:
    """Every table of the report, by name; a table without rows is left out."""
    made = (
        _changes(summary),
        _levels(summary),
        _steps(summary),
        _others(summary),
        _aggregators(summary),
        _controls(summary),
        _exploration(summary),
        _costs(summary),
        _models(summary),
        _methods(summary),
        _limits(summary),
    )
    return {table.name: table for table in made if table.rows}


# --- reading the summary -------------------------------------------------------------------------


def known(value: Any, reason: str) -> Any:
    """``value``, or Missing where it is null or an interval without an estimate."""
    empty = value is None or (isinstance(value, Mapping) and value.get("estimate") is None)
    return Missing(reason) if empty else value


def _settings(summary: Json) -> Json:
    return summary.get("settings") or {}


def _steps_count(summary: Json) -> str:
    return str(_settings(summary).get("N") or "N")


def _entries(summary: Json, part: str) -> Iterator[tuple[str, Json, str, Json]]:
    """(family, its entry, name, entry) of "systems", "adapters", "models" or "methods"."""
    for family, entry in families(summary).items():
        for name, found in (entry.get(part) or {}).items():
            yield family, entry, name, found or {}


def _arms(summary: Json) -> Iterator[tuple[str, str, str, Json]]:
    for family, _, system, entry in _entries(summary, "systems"):
        arms = entry.get("arms") or {}
        for arm in sorted(arms, key=lambda a: (*(a != p for p in PAIR), a)):
            yield family, system, arm, arms[arm] or {}


def primary_of(summary: Json, family: str) -> str:
    """The aggregator of the family's verdict."""
    named = families(summary)[family].get("primary")
    return str(named or (_settings(summary).get("primary") or {}).get(family) or "primary")


def aggregator_label(name: str, steps: str) -> str:
    labels = {
        "coverage": f"coverage@{steps}",
        "majority": f"majority@{steps}",
        "accuracy": "accuracy of one attempt",
        "last": "last answer",
    }
    return labels.get(name, name)


def base_of(summary: Json, family: str) -> str:
    """The model the family's controls and adapters are compared with."""
    entry = families(summary)[family]
    adapters = [a or {} for a in (entry.get("adapters") or {}).values()]
    found = [_settings(summary).get("base"), *(a.get("base") for a in adapters), "base"]
    return str(next(name for name in found if name))


def _base_gap(summary: Json, family: str, aggregator: str | None = None) -> Json:
    system = (families(summary)[family].get("systems") or {}).get(base_of(summary, family)) or {}
    return (system.get("gaps") or {}).get(aggregator or primary_of(summary, family)) or {}


# --- tables --------------------------------------------------------------------------------------

_NO_PROBLEM = "no problem has every attempt this needs"
_NO_ARM = "an arm this needs was not sampled"
_NOT_COUNTED = "the engine does not count these"


def _levels(summary: Json) -> Table:
    steps = _steps_count(summary)
    columns = _columns(
        "system|system",
        "arm|arm",
        "accuracy|accuracy|share",
        f"coverage|coverage@{steps}|share",
        f"majority|majority@{steps}|share",
        "last|last answer|share",
        "selection|selection|share",
    )
    rows = tuple(
        {"family": family, "system": system, "arm": arm, **_level_values(arm, entry)}
        for family, system, arm, entry in _arms(summary)
        if arm in PAIR
    )
    caption = (
        "Levels, %. Accuracy: of one attempt. Coverage: any attempt correct. Selection: how often "
        "the answer chosen is correct where any is."
    )
    return Table("levels", caption, columns, rows)


def _level_values(arm: str, entry: Json) -> dict[str, Any]:
    names = ("accuracy", "coverage", "majority")
    values = {name: known(entry.get(name), _NO_PROBLEM) for name in names}
    no_last = "parallel attempts have no last one" if arm == "parallel" else _NO_PROBLEM
    values["last"] = known(entry.get("last"), no_last)
    values["selection"] = known(entry.get("selection"), "no problem is covered")
    return values


def _exploration(summary: Json) -> Table:
    steps = _steps_count(summary)
    columns = _columns(
        "system|system",
        "arm|arm",
        f"distinct|distinct answers in {steps}|number",
        "repeat_rate|repeats, %|share",
        "repeat_baseline|if independent, %|share",
        "repeat_excess|excess, points|points",
        "valid|with an answer, %|share",
        "repair|repaired, %|share",
        "damage|damaged, %|share",
    )
    reasons = dict.fromkeys(("distinct", "repeat_rate", "valid"), _NO_PROBLEM)
    reasons |= dict.fromkeys(_INDEPENDENCE, "needs this system's parallel arm")
    reasons |= dict.fromkeys(_OPTIONAL, "no step to which it applies")
    rows = tuple(
        {"family": family, "system": system, "arm": arm}
        | {key: known(entry.get(key), reason) for key, reason in reasons.items()}
        for family, system, arm, entry in _arms(summary)
    )
    caption = (
        "Repeats: later attempts whose answer is among the earlier ones of the chain; "
        "if independent: the same for independent draws from the system's parallel attempts."
    )
    if not any(entry.get("repair") for *_, entry in _arms(summary)):
        return Table("exploration", caption, columns[: -len(_OPTIONAL)], rows)
    more = " Repaired: wrong, then right at the next attempt; damaged: right, then wrong."
    return Table("exploration", caption + more, columns, rows)


_INDEPENDENCE = ("repeat_baseline", "repeat_excess")
_OPTIONAL = ("repair", "damage")


def _costs(summary: Json) -> Table:
    tokens = ("prompt", "cached", "thinking", "answer", "generated", "total")
    columns = _columns(
        "system|system",
        "arm|arm",
        "attempts|attempts|count",
        *(f"{key}|{key}|number" for key in tokens),
        "stop|finished, %|share",
        "length|truncated, %|share",
        "error|failed, %|share",
        "ungraded|ungraded, %|share",
    )
    rows = tuple(
        {"family": family, "system": system, "arm": arm, **_cost_values(tokens, entry)}
        for family, system, arm, entry in _arms(summary)
    )
    return Table("tokens", "Tokens, mean per attempt, and how attempts ended.", columns, rows)


def _cost_values(tokens: Sequence[str], entry: Json) -> dict[str, Any]:
    counted, finish = entry.get("tokens") or {}, entry.get("finish") or {}
    not_recorded = "not in the summary"
    return {
        "attempts": known(entry.get("attempts"), not_recorded),
        **{key: known(counted.get(key), _NOT_COUNTED) for key in tokens},
        **{key: known(finish.get(key), not_recorded) for key in ("stop", "length", "error")},
        "ungraded": known(entry.get("ungraded"), not_recorded),
    }


def _changes(summary: Json) -> Table:
    columns = _columns(
        "adapter|adapter",
        "gap_base|gap before|points",
        "gap_adapted|gap after|points",
        "did|DiD|points",
        "sequential_change|sequential|points",
        "parallel_change|parallel|points",
        "fraction_closed|share closed, %|share",
        "verdict|verdict",
    )
    reasons: dict[str, str] = dict.fromkeys((*GAPS, *_ARM_CHANGES), _NO_ARM)
    reasons["fraction_closed"] = "the gap before is too near 0 for a ratio"
    reasons["verdict"] = NOT_MEASURED.lower()
    rows = tuple(
        {"family": family, "adapter": adapter}
        | {key: known(entry.get(key), why) for key, why in reasons.items()}
        for family, _, adapter, entry in _entries(summary, "adapters")
    )
    caption = (
        "Gap (parallel minus sequential) before and after training, on the aggregator of the "
        "verdict, points. DiD: before minus after. Sequential, parallel: change of that arm."
    )
    return Table("changes", caption, columns, rows)


def _others(summary: Json) -> Table:
    columns = _columns(
        "adapter|adapter",
        "aggregator|aggregator",
        "gap_base|gap before|points",
        "gap_adapted|gap after|points",
        "did|DiD|points",
    )
    rows = tuple(
        {"family": family, "adapter": adapter}
        | {"aggregator": aggregator_label(aggregator, _steps_count(summary))}
        | {key: known((found or {}).get(key), _NO_ARM) for key in GAPS}
        for family, _, adapter, entry in _entries(summary, "adapters")
        for aggregator, found in (entry.get("other_aggregators") or {}).items()
    )
    caption = "The same under the other aggregators, points: for reading only, no verdict."
    return Table("other_aggregators", caption, columns, rows)


def _steps(summary: Json) -> Table:
    columns = _columns(
        "adapter|adapter",
        "step|step|count",
        "question|question",
        "estimate|estimate|points",
        "bound|bound|points",
        "threshold|threshold|points",
        "passed|result",
    )
    rows = tuple(
        {
            "family": family,
            "adapter": adapter,
            "step": i,
            "question": known(step.get("question"), "not in the summary"),
            **{k: known(step.get(k), _NO_PROBLEM) for k in ("estimate", "bound", "threshold")},
            "passed": _RESULTS[step.get("passed")],
        }
        for family, _, adapter, entry in _entries(summary, "adapters")
        for i, step in enumerate(entry.get("steps") or [], 1)
    )
    return Table("verdict_steps", "The four tests of the verdict, points.", columns, rows)


_RESULTS = {True: "passed", False: "failed", None: "not asked"}


def _aggregators(summary: Json) -> Table:
    steps = _steps_count(summary)
    names = ("coverage", "majority", "accuracy", "last")
    columns = _columns(
        "system|system",
        *(f"{name}|{aggregator_label(name, steps)}|points" for name in names),
        "coverage_term|majority gap: from coverage|points",
        "selection_term|majority gap: from selection|points",
    )
    rows = tuple(
        {"family": family, "system": system}
        | {name: known((entry.get("gaps") or {}).get(name), _NO_ARM) for name in names}
        | {
            key: known((entry.get("identity") or {}).get(key), "needs both arms and some coverage")
            for key in ("coverage_term", "selection_term")
        }
        for family, _, system, entry in _entries(summary, "systems")
    )
    caption = (
        "Gap under each aggregator, points. Last answer: parallel majority minus the last answer "
        "of the chain. The two right columns split the majority gap exactly."
    )
    return Table("aggregators", caption, columns, rows)


def _controls(summary: Json) -> Table:
    columns = _columns(
        "arm|control",
        "hypothesis|of",
        "difference|parallel − control|points",
        "gap|parallel − sequential|points",
        "share|share of the gap, %|share",
    )
    rows = tuple(
        {
            "family": family,
            "arm": arm,
            "hypothesis": _HYPOTHESES.get(arm, Missing("an arm without a hypothesis of its own")),
            "difference": known(entry.get("difference"), _NO_ARM),
            "gap": known(_base_gap(summary, family), _NO_ARM),
            "share": _share_of_gap(entry.get("difference") or {}, _base_gap(summary, family)),
        }
        for family, _, arm, entry in _entries(summary, "controls")
    )
    caption = "Controls on the base model, on the aggregator of the verdict, points."
    return Table("controls", caption, columns, rows)


_HYPOTHESES = {
    "irrelevant_context": "H2, longer context",
    "swapped_history": "H3, exposure to answers",
}


def _share_of_gap(difference: Json, gap: Json) -> Any:
    if not number(gap.get("low")) > 0 or difference.get("estimate") is None:
        return Missing("no base gap is shown, so there is nothing to take a share of")
    return difference["estimate"] / gap["estimate"]


def _models(summary: Json) -> Table:
    columns = _columns(
        "system|model",
        "gap|gap|points",
        "verdict|verdict",
        "reason|reason",
    )
    rows = tuple(
        {
            "family": family,
            "system": name,
            "gap": known(entry.get("gap"), _NO_ARM),
            "verdict": known(entry.get("verdict"), NOT_MEASURED.lower()),
            "reason": known(entry.get("reason"), "none given"),
        }
        for family, _, name, entry in _entries(summary, "models")
    )
    caption = "Other models: is there a gap at all (step 1 of the verdict alone)? Points."
    return Table("models", caption, columns, rows)


def _methods(summary: Json) -> Table:
    columns = _columns(
        "method|method",
        "seeds|seeds|count",
        "verdicts|verdicts",
        "did|DiD|points",
        "gap_adapted|gap after|points",
        "sequential_change|sequential|points",
        "parallel_change|parallel|points",
    )
    rows = tuple(
        {
            "family": family,
            "method": name,
            "seeds": known(entry.get("seeds"), "not in the summary"),
            "verdicts": ", ".join(f"{v} {n}×" for v, n in (entry.get("verdicts") or {}).items()),
            **{c.key: known(entry.get(c.key), _NO_ARM) for c in columns[4:]},
        }
        for family, _, name, entry in _entries(summary, "methods")
    )
    caption = "Pooled over training seeds: means and t intervals with the seeds as the sample."
    return Table("methods", caption, columns, rows)


# --- what this size can show ---------------------------------------------------------------------


def standard_error(found: Json, settings: Json) -> float:
    """Standard error behind an interval of the summary, under the estimand of the verdict.

    Half the interval's width over its quantile: t with n - 1 degrees of freedom over problems, z
    for these very problems. Approximate where the interval was not a t interval. NaN if unknown.
    """
    alpha, n = float(settings.get("alpha") or math.nan), int(found.get("n") or 0)
    fixed = settings.get("estimand") == "fixed"
    low, high = (number(found.get(f"fixed_{k}" if fixed else k)) for k in _ENDS)
    if not fixed and n < 2:
        return math.nan
    quantile = stats.norm.isf(alpha / 2) if fixed else stats.t.isf(alpha / 2, n - 1)
    return (high - low) / 2 / float(quantile)


def power_factor(alpha: float, sided: int) -> float:
    """Standard errors between 0 and an effect that is found with 80 % power (2.8 at two-sided 5 %).

    Miller 2024 (arXiv 2411.00640).
    """
    return float(stats.norm.isf(alpha / sided) + stats.norm.isf(1 - POWER))


def needed(now: float, wanted: float, size: int) -> int | None:
    """The size at which ``now``, which falls with the root of the size, falls to ``wanted``."""
    if not (math.isfinite(now) and wanted > 0 and size > 0):
        return None
    return math.ceil(size * (now / wanted) ** 2)


def _limits(summary: Json) -> Table:
    fixed = _settings(summary).get("estimand") == "fixed"
    unit = "replicates" if fixed else "problems"
    columns = _columns(
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
        yield {"system": name, **_limit_values(entry or {}, _settings(summary))}
    if not adapters and _base_gap(summary, family):
        only_gap = {"gap_base": _base_gap(summary, family)}
        name = base_of(summary, family)
        yield {"system": name, **_limit_values(only_gap, _settings(summary))}


def _limit_values(entry: Json, settings: Json) -> dict[str, Any]:
    """entry: of an adapter; a gap it lacks makes the numbers that hang on it Missing."""
    alpha, margin = number(settings.get("alpha")), number(settings.get("margin"))
    gaps = {key: entry.get(key) or {} for key in (*GAPS, "parallel_change")}
    error = {key: standard_error(found, settings) for key, found in gaps.items()}
    two, one = power_factor(alpha, 2), power_factor(alpha, 1)
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
        return float(stats.norm.isf(alpha)) * standard_error(found, settings)
    return float(stats.t.isf(alpha, max(n - 1, 1))) * standard_error(found, settings)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def limit_sentences(summary: Json) -> list[str]:
    """What the numbers of this run can and cannot carry, one sentence each."""
    said = [s for family in families(summary) for s in _family_limits(summary, family)]
    methods = list(_entries(summary, "methods"))
    single = list(dict.fromkeys(name for _, _, name, m in methods if m.get("seeds") == 1))
    if single:
        named = ", ".join(single)
        said.append(
            f"One training seed ({named}): the verdict is about this adapter, not about the method."
        )
    if not any(True for _ in _entries(summary, "models")):
        said.append(
            "No negative control was sampled: that the verdict stays silent where there is no gap "
            "is not checked on this run."
        )
    return said


def _family_limits(summary: Json, family: str) -> Iterator[str]:
    settings = _settings(summary)
    rows = list(_limit_rows(summary, family))
    gaps = [row["least_gap"] for row in rows if not isinstance(row["least_gap"], Missing)]
    if gaps:
        factor = power_factor(number(settings.get("alpha")), 2)
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


# --- sentences -----------------------------------------------------------------------------------


def points(share: float) -> str:
    """100 x share with one decimal and a true minus sign."""
    return _decimal(100 * share, 1)


def _decimal(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # + 0.0: no minus zero


def said(found: Json | None) -> str:
    """An interval in words: ``36.4 points [33.1, 39.7]``."""
    if not found or found.get("estimate") is None:
        return "not measured"
    start = f"{points(found['estimate'])} points"
    if found.get("low") is None or found.get("high") is None:
        return f"{start} (no interval)"
    return f"{start} [{points(found['low'])}, {points(found['high'])}]"


def answers(summary: Json) -> list[dict[str, str]]:
    """Per family and adapter: verdict, its meaning, and the sentence with the numbers."""
    found = [
        {
            "family": family,
            "name": name,
            "verdict": str(entry.get("verdict") or NOT_MEASURED).replace("_", " "),
            "meaning": _meaning(entry),
            "numbers": _answer_numbers(summary, family, entry),
        }
        for family, _, name, entry in _entries(summary, "adapters")
    ]
    answered = {answer["family"] for answer in found}
    return found + [_base_answer(summary, f) for f in families(summary) if f not in answered]


def _meaning(entry: Json) -> str:
    verdict = entry.get("verdict")
    if verdict is None:
        return str(entry.get("reason") or "").rstrip(".") or "an arm is missing"
    tests = entry.get("steps") or []
    if verdict == "NARROWED" and tests and all(test.get("passed") for test in tests):
        return UNREGISTERED
    return MEANINGS.get(verdict, str(entry.get("reason") or verdict))


def _answer_numbers(summary: Json, family: str, entry: Json) -> str:
    label = aggregator_label(primary_of(summary, family), _steps_count(summary))
    n = (entry.get("did") or {}).get("n")
    tail = f", {n} problems" if n else ""
    return (
        f"Gap in {label}: {said(entry.get('gap_base'))} before training, "
        f"{said(entry.get('gap_adapted'))} after; DiD {said(entry.get('did'))}{tail}."
    )


def _base_answer(summary: Json, family: str) -> dict[str, str]:
    gap, name = _base_gap(summary, family), base_of(summary, family)
    label = aggregator_label(primary_of(summary, family), _steps_count(summary))
    tail = f", {gap['n']} problems" if gap.get("n") else ""
    return {
        "family": family,
        "name": name,
        "verdict": "NO ADAPTER",
        "meaning": "nothing was trained, so there is no verdict",
        "numbers": f"Gap in {label}: {said(gap)}{tail}.",
    }


def readings(summary: Json) -> list[dict[str, str]]:
    """What the controls of each family say about H1, H2 and H3."""
    found = [
        {
            "family": family,
            "hypothesis": "H1, aggregator",
            "text": _aggregator_reading(summary, family),
        }
        for family in families(summary)
        if _base_gap(summary, family, "coverage")
    ]
    for family, _, arm, entry in _entries(summary, "controls"):
        text = _control_reading(summary, family, arm, entry.get("difference") or {})
        found.append({"family": family, "hypothesis": _HYPOTHESES.get(arm, arm), "text": text})
    return sorted(found, key=lambda reading: list(families(summary)).index(reading["family"]))


def _aggregator_reading(summary: Json, family: str) -> str:
    gap = _base_gap(summary, family, "coverage")
    if number(gap.get("low")) > 0:
        first = (
            f"Coverage uses no aggregator, and parallel leads on it by {said(gap)}: that much of "
            "the loss is there before any answer is chosen."
        )
    else:
        first = f"Coverage uses no aggregator, and on it no gap is shown: {said(gap)}."
    system = families(summary)[family]["systems"][base_of(summary, family)]
    identity = system.get("identity") or {}
    if not identity.get("coverage_term"):
        return first
    return (
        f"{first} Of the majority gap of {said(_base_gap(summary, family, 'majority'))}, "
        f"{said(identity.get('coverage_term'))} come from coverage and "
        f"{said(identity.get('selection_term'))} from selection."
    )


_CONTROL_WORDS = {
    "irrelevant_context": "a context as long as the history, but of no use,",
    "swapped_history": "a history of answers the chain did not give itself",
}


def _control_reading(summary: Json, family: str, arm: str, difference: Json) -> str:
    what = _CONTROL_WORDS.get(arm, f"the arm {arm}")
    low, high = (number(difference.get(key)) for key in _ENDS)
    margin = number(_settings(summary).get("margin"))
    if math.isnan(low):
        return f"What {what} costs is not measured."
    if high < 0:
        return f"Behind {what} the model does better than alone: parallel is at {said(difference)}."
    share = _share_of_gap(difference, _base_gap(summary, family))
    of_gap = "" if isinstance(share, Missing) else f", {100 * share:.0f} % of the gap"
    small = f" The upper end is below the margin of {points(margin)}." if high < margin else ""
    if low > 0:
        return _upper(f"{what} costs {said(difference)}{of_gap}.{small}")
    return f"That {what} costs accuracy is not shown: {said(difference)}.{small}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


# --- writing tables ------------------------------------------------------------------------------


def save_tables(tables: Sequence[Table] | Any, folder: Path) -> None:
    """NAME.csv and NAME.tex of each table; LaTeX needs the package booktabs."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in tables:
        _write_rows(folder / f"{table.name}.csv", csv_rows(table))
        (folder / f"{table.name}.tex").write_text(latex(table), encoding="utf-8")


def csv_rows(table: Table) -> list[list[Any]]:
    """Header and rows; an interval takes a column for each of its parts; Missing is empty."""
    parts = {column.key: _parts(table, column.key) for column in table.columns}
    header = [
        name for key, found in parts.items() for name in (key, *(f"{key}_{p}" for p in found))
    ]
    return [header, *([*_csv_row(row, parts)] for row in table.rows)]


def _parts(table: Table, key: str) -> list[str]:
    intervals = [row[key] for row in table.rows if isinstance(row[key], Mapping)]
    return [part for part in (*_PARTS, *_METHOD) if any(part in found for found in intervals)]


def _csv_row(row: Json, parts: Mapping[str, Sequence[str]]) -> Iterator[Any]:
    for key, found in parts.items():
        value = row[key]
        if isinstance(value, Mapping):
            yield from (value.get(part) for part in ("estimate", *found))
        else:
            yield None if isinstance(value, Missing) else value
            yield from itertools.repeat(None, len(found))


def curve_rows(summary: Json) -> list[list[Any]]:
    """Every by-step curve, one row per step: the numbers behind the figures."""
    rows: list[list[Any]] = [
        ["family", "system", "arm", "statistic", "k", "estimate", "low", "high", "n"]
    ]
    for family, system, arm, entry in _arms(summary):
        for statistic, curve in (entry.get("by_step") or {}).items():
            for k, point in enumerate(curve or [], 1):
                values = [(point or {}).get(key) for key in ("estimate", "low", "high", "n")]
                rows.append([family, system, arm, statistic, k, *values])
    return rows


def _write_rows(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def latex(table: Table) -> str:
    """A booktabs table; an interval is its estimate with the bounds in small print."""
    align = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    head = " & ".join(escape_latex(column.label) for column in table.columns)
    body = [
        " & ".join(_latex_cell(row[c.key], c.kind) for c in table.columns) + r" \\"
        for row in table.rows
    ]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape_latex(table.caption)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        head + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(value: Any, kind: str) -> str:
    main, small = shown(value, kind)
    text = escape_latex(main)
    return rf"{text} {{\scriptsize {escape_latex(small)}}}" if small else text


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "[": "{[}",  # after \\ a bracket would be read as its option
    "“": "``",
    "”": "''",
    "\n": " ",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in text)


# --- showing numbers -----------------------------------------------------------------------------


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
    return _decimal(_SCALE.get(kind, 1.0) * value, 1)


def _bounds(found: Json, kind: str) -> str:
    n = f" n={found['n']}" if found.get("n") is not None else ""
    if found.get("low") is None or found.get("high") is None:
        return f"no interval{n}"
    low, high = (_one(found[key], kind) for key in _ENDS)
    return f"[{low}, {high}]{n}"


def _note(value: Any) -> str | None:
    if isinstance(value, Missing):
        return value.reason
    if isinstance(value, Mapping) and value.get("degenerate"):
        return f"too little variation for a t interval: {value.get('method', 'other')} instead"
    return None


# --- the page ------------------------------------------------------------------------------------

CAPTIONS = {
    "gaps": (
        "Gap before and after training",
        "Two-sided intervals over problems; shaded: the margin. The verdict holds the one-sided "
        "bound against the margin, so an interval may reach a little beyond it.",
    ),
    "coverage": (
        "Coverage after k attempts",
        "Share of problems solved by any of the first k attempts. The distance between the lines "
        "at the last k is the coverage gap.",
    ),
    "accuracy_by_step": (
        "Accuracy by attempt",
        "Share of attempts k that are correct: parallel left, sequential right.",
    ),
    "repeat_rate": (
        "Repeated answers by attempt",
        "Share of attempts whose answer was given earlier in the chain. Independent draws repeat "
        "themselves too: the parallel groups are the baseline.",
    ),
    "training": (
        "Training",
        "Each step thin, the mean of the five steps around it thick; repeats are of the history.",
    ),
}
FIGURES = ("accuracy_by_step", "coverage", "gaps", "repeat_rate", "training")


def _page(summary: Json, tables: Mapping[str, Table], figures: Mapping[str, Path]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["by"] = _by
    environment.globals.update(shown=shown, note=_note, points=points)
    template = environment.get_template("report.html.j2")
    return template.render(
        run=summary.get("run") or {},
        settings=_settings(summary),
        facts=facts(summary),
        warnings=summary.get("warnings") or [],
        answers=answers(summary),
        verdicts=list(_entries(summary, "adapters")),
        results=_RESULTS,
        readings=readings(summary),
        limits=limit_sentences(summary),
        tables=tables,
        figures=[
            (name, *CAPTIONS[name], inline_svg(figures[name], name))
            for name in FIGURES
            if name in figures
        ],
        confidence=f"{100 * (1 - number(_settings(summary).get('alpha'))):g} %",
    )


def _by(rows: Sequence[Any], key: Any) -> dict[Any, list[Any]]:
    """Rows by one of their entries, in the order of the summary."""
    groups: dict[Any, list[Any]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def facts(summary: Json) -> list[tuple[str, str]]:
    """The run and its settings as (name, value), nested ones written out."""
    found: list[tuple[str, str]] = []
    for part in ("run", "settings"):
        for key, value in (summary.get(part) or {}).items():
            found.append((key.replace("_", " "), _fact(value)))
    return found


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(item)}" for key, item in value.items()) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == "" else str(value)


def inline_svg(path: Path, name: str) -> Any:
    """An SVG file as an element of the page: its own ids, colours that follow the page's scheme."""
    from markupsafe import Markup

    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    for parent in list(root.iter()):
        for child in [c for c in parent if _bare(c.tag) in ("metadata", "style")]:
            parent.remove(child)
    for element in root.iter():
        element.tag = _bare(element.tag)
        element.attrib = {_bare(k): _inlined(_bare(k), v, name) for k, v in element.items()}
    view = root.get("viewBox") or ""
    root.attrib = {"viewBox": view, "role": "img", "aria-label": CAPTIONS[name][0]}
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _bare(name: str) -> str:
    return name.rpartition("}")[2]


def _inlined(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    for colour in PALETTE:
        value = value.replace(f": {colour}", f": var(--c{colour[1:]})")
    return value.replace("url(#", f"url(#{name}-")
