"""Every table of the report. A table is built once and written three times, so page, CSV and LaTeX
cannot disagree."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.report.causes_tables import attribution_table, checks_table, controls_table
from analysis.report.compute_tables import (
    cost_curves_table,
    cost_ratios_table,
    equal_compute_table,
)
from analysis.report.limits import limits_table
from analysis.report.probes_table import probes_table
from analysis.report.reading import (
    ARM_CHANGES,
    GAPS,
    PAIR,
    RESULTS,
    aggregator_label,
    arms_of,
    entries_of,
    settings_of,
    steps_count,
)
from analysis.report.table import NO_ARM, NOT_MEASURED, Json, Table, family_columns, known


def build_tables(summary: Json, probes: Json | None = None) -> dict[str, Table]:
    """Every table of the report, by name; a table without rows is left out.

    probes: as read from probes.json.
    """
    made = (
        _changes(summary),
        _levels(summary),
        equal_compute_table(summary),
        cost_ratios_table(summary),
        cost_curves_table(summary),
        _steps(summary),
        _others(summary),
        _aggregators(summary),
        controls_table(summary),
        attribution_table(summary),
        checks_table(summary),
        _exploration(summary),
        _search(summary),
        _costs(summary),
        _models(summary),
        _methods(summary),
        limits_table(summary),
        probes_table(probes or {}),
    )
    return {table.name: table for table in made if table.rows}


_NO_PROBLEM = "no problem has every attempt this needs"
_NOT_COUNTED = "the engine does not count these"


def _levels(summary: Json) -> Table:
    steps = steps_count(summary)
    columns = family_columns(
        "system|system",
        "arm|arm",
        "accuracy|accuracy|share",
        f"coverage|coverage@{steps}|share",
        f"majority|majority@{steps}|share",
        *(label for key, label in _CHOICES.items() if _any_has(summary, key)),
        "last|last answer|share",
        "selection|selection|share",
    )
    rows = tuple(
        {"family": family, "system": system, "arm": arm, **_level_values(arm, entry)}
        for family, system, arm, entry in arms_of(summary)
        if arm in PAIR
    )
    caption = (
        "Levels, %. Accuracy: of one attempt. Coverage: any attempt correct. Selection: how often "
        "the answer chosen is correct where any is."
    )
    return Table("levels", caption, columns, rows)


_CHOICES = {
    "best_of_n": "best_of_n|best score|share",
    "weighted_vote": "weighted_vote|weighted vote|share",
}


_TRACES = {
    "trace_dispersion": "trace_dispersion|traces apart, 1 - cosine|number",
    "trace_vendi": "trace_vendi|Vendi score of N traces|number",
}


def _any_has(summary: Json, level: str) -> bool:
    return any(entry.get(level) for _, _, arm, entry in arms_of(summary) if arm in PAIR)


def _level_values(arm: str, entry: Json) -> dict[str, Any]:
    names = ("accuracy", "coverage", "majority")
    values = {name: known(entry.get(name), _NO_PROBLEM) for name in names}
    no_last = "parallel attempts have no last one" if arm == "parallel" else _NO_PROBLEM
    values["last"] = known(entry.get("last"), no_last)
    values |= {name: known(entry.get(name), "no attempt carries it") for name in _CHOICES}
    values["selection"] = known(entry.get("selection"), "no problem is covered")
    return values


def _exploration(summary: Json) -> Table:
    columns = family_columns(
        "system|system",
        "arm|arm",
        f"distinct|distinct answers in {steps_count(summary)}|number",
        "repeat_rate|repeats, %|share",
        "repeat_baseline|if independent, %|share",
        "repeat_excess|excess, points|points",
        "valid|with an answer, %|share",
        *(label for key, label in _TRACES.items() if _any_has(summary, key)),
    )
    reasons: dict[str, str] = dict.fromkeys(("distinct", "repeat_rate", "valid"), _NO_PROBLEM)
    reasons |= dict.fromkeys(_INDEPENDENCE, "needs this system's parallel arm")
    reasons |= dict.fromkeys(_TRACES, "no attempt carries it")
    caption = (
        "Repeats: later attempts whose answer is among the earlier ones of the chain; "
        "if independent: the same for independent draws from the system's parallel attempts."
    )
    return Table("exploration", caption, columns, _of_arms(summary, reasons))


def _search(summary: Json) -> Table:
    twice = 2 * int(settings_of(summary).get("N") or 0) or "2N"
    columns = family_columns(
        "system|system",
        "arm|arm",
        "efficiency|efficiency|number",
        f"against_twice|less {twice} parallel, points|points",
        "first_right|right after all wrong, %|share",
        "first_right_lead|less parallel's, points|points",
        "repair|repaired, %|share",
        "damage|damaged, %|share",
    )
    later = ("first_right", "repair", "damage")
    reasons: dict[str, str] = dict.fromkeys(later, "no step to which it applies")
    reasons["efficiency"] = "the reference, or independent and ideal draws too close to tell"
    reasons["first_right_lead"] = "the reference, or no such step in one of the two arms"
    reasons["against_twice"] = f"the reference, or fewer than {twice} parallel attempts"
    caption = (
        "Efficiency: coverage from independent draws (0) to draws without repeats (1); beside it "
        f"coverage less that of {twice} parallel attempts. Right after all wrong: attempts that "
        "are right where every one before was wrong, and the same less that of independent draws. "
        "Repaired: wrong, then right at the next attempt; damaged: right, then wrong."
    )
    return Table("search", caption, columns, _of_arms(summary, reasons))


def _of_arms(summary: Json, reasons: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    """A row for every arm. reasons: key -> why it can be missing."""
    return tuple(
        {"family": family, "system": system, "arm": arm}
        | {
            key: known(entry.get(key), reason if key in entry else _NOT_YET)
            for key, reason in reasons.items()
        }
        for family, system, arm, entry in arms_of(summary)
    )


_NOT_YET = "not in this summary.json; forage analyze makes it anew"
_INDEPENDENCE = ("repeat_baseline", "repeat_excess")
_FINISHES = ("stop", "length", "budget", "error")
_BUDGET_COLUMN = ("budget|cut by the budget, %|share",)


def _costs(summary: Json) -> Table:
    tokens = ("prompt", "cached", "thinking", "answer", "generated", "total")
    columns = family_columns(
        "system|system",
        "arm|arm",
        "attempts|attempts|count",
        "per_chain|per chain|number",
        *(f"{key}|{key}|number" for key in tokens),
        "spent|generated per chain|number",
        "stop|finished, %|share",
        "length|truncated, %|share",
        *_BUDGET_COLUMN * bool(settings_of(summary).get("budget")),
        "error|failed, %|share",
        "ungraded|ungraded, %|share",
    )
    rows = tuple(
        {"family": family, "system": system, "arm": arm, **_cost_values(tokens, entry)}
        for family, system, arm, entry in arms_of(summary)
    )
    return Table("tokens", "Tokens, mean per attempt, and how attempts ended.", columns, rows)


def _cost_values(tokens: Sequence[str], entry: Json) -> dict[str, Any]:
    counted, finish = entry.get("tokens") or {}, entry.get("finish") or {}
    per_chain, not_recorded = entry.get("per_chain") or {}, "not in the summary"
    return {
        "attempts": known(entry.get("attempts"), not_recorded),
        "per_chain": known(per_chain.get("attempts"), not_recorded),
        **{key: known(counted.get(key), _NOT_COUNTED) for key in tokens},
        "spent": known(per_chain.get("generated"), _NOT_COUNTED),
        **{key: known(finish.get(key), not_recorded) for key in _FINISHES},
        "ungraded": known(entry.get("ungraded"), not_recorded),
    }


def _changes(summary: Json) -> Table:
    columns = family_columns(
        "adapter|adapter",
        "gap_base|gap before|points",
        "gap_adapted|gap after|points",
        "did|DiD|points",
        "sequential_change|sequential|points",
        "parallel_change|parallel|points",
        "fraction_closed|share closed, %|share",
        "verdict|verdict",
    )
    reasons: dict[str, str] = dict.fromkeys((*GAPS, *ARM_CHANGES), NO_ARM)
    reasons["fraction_closed"] = "the gap before is too near 0 for a ratio"
    reasons["verdict"] = NOT_MEASURED.lower()
    rows = tuple(
        {"family": family, "adapter": adapter}
        | {key: known(entry.get(key), why) for key, why in reasons.items()}
        for family, _, adapter, entry in entries_of(summary, "adapters")
    )
    caption = (
        "Gap (parallel minus sequential) before and after training, on the aggregator of the "
        "verdict, points. DiD: before minus after. Sequential, parallel: change of that arm."
    )
    return Table("changes", caption, columns, rows)


def _others(summary: Json) -> Table:
    columns = family_columns(
        "adapter|adapter",
        "aggregator|aggregator",
        "gap_base|gap before|points",
        "gap_adapted|gap after|points",
        "did|DiD|points",
    )
    rows = tuple(
        {"family": family, "adapter": adapter}
        | {"aggregator": aggregator_label(aggregator, steps_count(summary))}
        | {key: known((found or {}).get(key), NO_ARM) for key in GAPS}
        for family, _, adapter, entry in entries_of(summary, "adapters")
        for aggregator, found in (entry.get("other_aggregators") or {}).items()
    )
    caption = "The same under the other aggregators, points: for reading only, no verdict."
    return Table("other_aggregators", caption, columns, rows)


def _steps(summary: Json) -> Table:
    columns = family_columns(
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
            "passed": RESULTS[step.get("passed")],
        }
        for family, _, adapter, entry in entries_of(summary, "adapters")
        for i, step in enumerate(entry.get("steps") or [], 1)
    )
    return Table("verdict_steps", "The four tests of the verdict, points.", columns, rows)


def _aggregators(summary: Json) -> Table:
    steps = steps_count(summary)
    names = ("coverage", "majority", "accuracy", "last")
    columns = family_columns(
        "system|system",
        *(f"{name}|{aggregator_label(name, steps)}|points" for name in names),
        "coverage_term|majority gap: from coverage|points",
        "selection_term|majority gap: from selection|points",
    )
    rows = tuple(
        {"family": family, "system": system}
        | {name: known((entry.get("gaps") or {}).get(name), NO_ARM) for name in names}
        | {
            key: known((entry.get("identity") or {}).get(key), "needs both arms and some coverage")
            for key in ("coverage_term", "selection_term")
        }
        for family, _, system, entry in entries_of(summary, "systems")
    )
    caption = (
        "Gap under each aggregator, points. Last answer: parallel majority minus the last answer "
        "of the chain. The two right columns split the majority gap exactly."
    )
    return Table("aggregators", caption, columns, rows)


def _models(summary: Json) -> Table:
    columns = family_columns(
        "system|model",
        "gap|gap|points",
        "verdict|verdict",
        "reason|reason",
    )
    rows = tuple(
        {
            "family": family,
            "system": name,
            "gap": known(entry.get("gap"), NO_ARM),
            "verdict": known(entry.get("verdict"), NOT_MEASURED.lower()),
            "reason": known(entry.get("reason"), "none given"),
        }
        for family, _, name, entry in entries_of(summary, "models")
    )
    caption = "Other models: is there a gap at all (step 1 of the verdict alone)? Points."
    return Table("models", caption, columns, rows)


def _methods(summary: Json) -> Table:
    columns = family_columns(
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
            **{c.key: known(entry.get(c.key), NO_ARM) for c in columns[4:]},
        }
        for family, _, name, entry in entries_of(summary, "methods")
    )
    caption = "Pooled over training seeds: means and t intervals with the seeds as the sample."
    return Table("methods", caption, columns, rows)
