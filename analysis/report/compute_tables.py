"""Tables of the comparison at equal compute."""

from typing import Any

from analysis.report.reading import entries_of
from analysis.report.table import Json, Missing, Table, family_columns, known
from analysis.terminal import with_censoring

_COSTS = {
    "generated": "generated tokens",
    "total": "all tokens",
    "cached": "all but cached",
    "latency": "critical path",
}
_NO_TOKENS = "tokens not counted, or no budget that both arms can spend"


def equal_compute_table(summary: Json) -> Table:
    columns = family_columns(
        "system|system",
        *(f"{cost}|{label}|points" for cost, label in _COSTS.items()),
        "parallel|parallel generates|number",
        "sequential|sequential generates|number",
        "notes|notes",
    )
    rows = tuple(
        {"family": family, "system": system, **_values(entry)}
        for family, _, system, entry in entries_of(summary, "equal_compute")
        if entry
    )
    caption = (
        "Parallel minus sequential at equal compute, aggregator of the verdict, points: mean "
        "over the doublings of the budget that both arms can spend on a problem; critical path: "
        "sequential has as long as N parallel attempts take. Generates: tokens per problem for all "
        "attempts."
    )
    return Table("equal_compute", caption, columns, rows)


def _values(entry: Json) -> dict[str, Any]:
    gaps, tokens = entry.get("gaps") or {}, entry.get("tokens") or {}
    spent = {arm: (tokens.get(arm) or {}).get("generated") for arm in ("parallel", "sequential")}
    return {
        **{cost: known(gaps.get(cost), _NO_TOKENS) for cost in _COSTS},
        **{arm: known(count, _NO_TOKENS) for arm, count in spent.items()},
        "notes": "; ".join(entry.get("notes") or []),
    }


def _needs(ratio: Json) -> str | Missing:
    return Missing(ratio["reason"]) if ratio["reason"] else with_censoring(ratio)


def cost_ratios_table(summary: Json) -> Table:
    columns = family_columns(
        "system|system",
        "k|parallel attempts|count",
        "reached|they solve, %|share",
        "tokens|with tokens|number",
        "ratio|sequential needs",
    )
    rows = tuple(
        {"family": family, "system": system, "ratio": _needs(ratio)}
        | {key: ratio[key] for key in ("k", "reached", "tokens")}
        for family, _, system, entry in entries_of(summary, "equal_compute")
        for ratio in entry.get("ratios") or []
    )
    caption = (
        "Generated tokens that sequential needs for what k parallel attempts solve, in multiples "
        "of theirs; “not by”: all its N attempts, which take so many, do not get there."
    )
    return Table("cost_ratios", caption, columns, rows)
