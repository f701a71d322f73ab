"""Tables of what explains the gap: controls, its parts, and whether the controls did their work."""

from analysis.report.reading import base_gap, entries_of, hypotheses, level_of, share_of_gap
from analysis.report.table import NO_ARM, Json, Table, family_columns, known

_CHECKED = {True: "yes", False: "no", None: "cannot say"}
_NO_CELL = "an arm of the design was not sampled"


def controls_table(summary: Json) -> Table:
    columns = family_columns(
        "arm|control",
        "hypothesis|of",
        "difference|parallel − control|points",
        "gap|parallel − sequential|points",
        "share|share of the gap, %|share",
    )
    named = hypotheses(summary)
    rows = tuple(
        {
            "family": family,
            "arm": arm,
            "hypothesis": known(named.get(arm), "an arm without a hypothesis of its own"),
            "difference": known(entry.get("difference"), NO_ARM),
            "gap": known(base_gap(summary, family), NO_ARM),
            "share": share_of_gap(entry.get("difference") or {}, base_gap(summary, family)),
        }
        for family, _, arm, entry in entries_of(summary, "controls")
    )
    caption = "Controls on the base model, on the aggregator of the verdict, points."
    return Table("controls", caption, columns, rows)


def attribution_table(summary: Json) -> Table:
    columns = family_columns(
        "system|system",
        "factor|factor",
        "shapley|share of the gap, points|points",
        "first|alone|points",
        "last|after the others|points",
        "within|within the margin?",
    )
    rows = tuple(
        {"family": family, "system": name, "factor": factor}
        | {key: known(share.get(key), _NO_CELL) for key in ("shapley", "first", "last")}
        | {"within": _within(share)}
        for family, _, name, causes in entries_of(summary, "attribution")
        for factor, share in _shares(causes, level_of(summary, family))
        if any(share.get(key) for key in ("shapley", "first", "last"))
    )
    caption = (
        "Parts of the base gap, on the aggregator of the verdict, points. Share: mean over the "
        "orders in which the factors could come in; the shares sum to the gap."
    )
    return Table("attribution", caption, columns, rows)


def checks_table(summary: Json) -> Table:
    columns = family_columns(
        "system|system",
        "arm|control",
        "question|question",
        "estimate|judged by|decimal",
        "passed|result",
    )
    rows = tuple(
        {"family": family, "system": name, "arm": arm, "question": check["question"]}
        | {"estimate": known(check["estimate"], "nothing to judge it by")}
        | {"passed": _CHECKED[check["passed"]]}
        for family, _, name, causes in entries_of(summary, "attribution")
        for arm, checks in (causes.get("checks") or {}).items()
        for check in checks
    )
    return Table("checks", "Did the controls do what they are for?", columns, rows)


def _shares(causes: Json, primary: str) -> list[tuple[str, Json]]:
    return list((((causes.get("gaps") or {}).get(primary) or {}).get("shares") or {}).items())


def _within(share: Json) -> str:
    found = share.get("shapley") or share.get("first") or share["last"]
    return "yes" if found.get("equivalent") else "not shown"
