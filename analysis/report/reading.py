"""What the report reads out of a summary."""

from collections.abc import Iterator
from typing import Any

from analysis.config import AUC
from analysis.figures.reading import families, number
from analysis.report.table import Json, Missing

PAIR = ("parallel", "sequential")
GAPS = ("gap_base", "gap_adapted", "did")
ARM_CHANGES = ("sequential_change", "parallel_change")


def settings_of(summary: Json) -> Json:
    return summary.get("settings") or {}


def steps_count(summary: Json) -> str:
    """What an aggregator is of: so many attempts, or tokens of a budget."""
    settings = settings_of(summary)
    if settings.get("budget"):
        return f"{settings['budget']} tokens"
    return str(settings.get("N") or "N")


def entries_of(summary: Json, part: str) -> Iterator[tuple[str, Json, str, Json]]:
    """(family, its entry, name, entry) of "systems", "adapters", "models" or "methods"."""
    for family, entry in families(summary).items():
        for name, found in (entry.get(part) or {}).items():
            yield family, entry, name, found or {}


def arms_of(summary: Json) -> Iterator[tuple[str, str, str, Json]]:
    for family, _, system, entry in entries_of(summary, "systems"):
        arms = entry.get("arms") or {}
        for arm in sorted(arms, key=lambda a: (*(a != p for p in PAIR), a)):
            yield family, system, arm, arms[arm] or {}


def primary_of(summary: Json, family: str) -> str:
    """The aggregator of the family's verdict."""
    named = families(summary)[family].get("primary")
    return str(named or (settings_of(summary).get("primary") or {}).get(family) or "primary")


def level_of(summary: Json, family: str) -> str:
    """The aggregator of the family's verdict, at each number of attempts if it is of AUC."""
    return AUC.get(primary_of(summary, family), primary_of(summary, family))


def aggregator_label(name: str, steps: str) -> str:
    if name in AUC:
        return f"{aggregator_label(AUC[name], steps)}, mean over log2 tokens"
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
    found = [settings_of(summary).get("base"), *(a.get("base") for a in adapters), "base"]
    return str(next(name for name in found if name))


def base_gap(summary: Json, family: str, aggregator: str | None = None) -> Json:
    system = (families(summary)[family].get("systems") or {}).get(base_of(summary, family)) or {}
    return (system.get("gaps") or {}).get(aggregator or primary_of(summary, family)) or {}


RESULTS = {True: "passed", False: "failed", None: "not asked"}


def hypotheses(summary: Json) -> dict[str, str]:
    """Arm -> the hypothesis that it is the control of."""
    design = settings_of(summary).get("design") or {}
    found = {
        design.get("context"): "H2, longer context",
        design.get("exposure"): "H3, exposure to answers at little length",
        design.get("swapped"): "H3, exposure to answers",
    }
    return {arm: hypothesis for arm, hypothesis in found.items() if arm}


def share_of_gap(difference: Json, gap: Json) -> Any:
    if not number(gap.get("low")) > 0 or difference.get("estimate") is None:
        return Missing("no base gap is shown, so there is nothing to take a share of")
    return difference["estimate"] / gap["estimate"]
