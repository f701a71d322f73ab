"""Tables of the comparison at equal compute."""

from collections.abc import Iterator
from typing import Any

from analysis.report.reading import aggregator_label, entries_of, steps_count
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


_PLACES = {"least": 0, "middle": 0.5, "most": 1}
"""Budget -> its share of the way, in doublings, from the least to the largest that arms share."""


def cost_curves_table(summary: Json) -> Table:
    columns = family_columns(
        "system|system",
        "aggregator|solved by",
        "cost|cost",
        "from|from, tokens|number",
        "to|to, tokens|number",
        *(f"{place}|gap at the {place}|points" for place in _PLACES),
    )
    steps = steps_count(summary)
    rows = tuple(
        {"family": family, "system": system, "aggregator": aggregator_label(aggregator, steps)}
        | {"cost": _COSTS[cost], **_along(curve)}
        for family, system, aggregator, cost, curve in _curves(summary)
    )
    caption = (
        "Parallel minus sequential along each cost, points: at the least, the middle (in "
        "doublings) and the largest of the budgets that both arms can spend on a problem; from, "
        "to: their geometric means over problems. Each interval holds at its budget alone. Every "
        "point: tables/cost_curve_points.csv."
    )
    return Table("cost_curves", caption, columns, rows)


def _along(curve: Json) -> dict[str, Any]:
    """The ends of a curve, and its gap where the table shows it."""
    tokens, gap = curve["tokens"], curve["gap"]
    found: dict[str, Any] = {"from": tokens[0], "to": tokens[-1]}
    for place, share in _PLACES.items():
        i = round(share * (len(tokens) - 1))
        found[place] = {key: values[i] for key, values in gap.items()} | {"n": curve["n"]}
    return found


def _curves(summary: Json) -> Iterator[tuple[str, str, str, str, Json]]:
    """(family, system, aggregator, cost, its curve), where there is one."""
    for family, _, system, entry in entries_of(summary, "equal_compute"):
        for aggregator, costs in (entry.get("curves") or {}).items():
            for cost, curve in costs.items():
                if curve:
                    yield family, system, aggregator, cost, curve


def cost_curve_rows(summary: Json) -> list[list[Any]]:
    """Every point of every curve against a cost: the numbers behind the figures."""
    sides, ends = ("parallel", "sequential", "gap"), ("estimate", "low", "high")
    columns = [(side, end) for side in sides for end in ends]
    named = [side if end == "estimate" else f"{side}_{end}" for side, end in columns]
    rows: list[list[Any]] = [
        ["family", "system", "aggregator", "cost", "tokens", *named, "n"],
    ]
    for *names, curve in _curves(summary):
        for i, tokens in enumerate(curve["tokens"]):
            values = [curve[side][end][i] for side, end in columns]
            rows.append([*names, tokens, *values, curve["n"]])
    return rows


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
