"""The report in words: the answer, and what each control says."""

import math

from analysis.figures.reading import families, number
from analysis.report.reading import (
    aggregator_label,
    base_gap,
    base_of,
    entries_of,
    hypotheses,
    primary_of,
    settings_of,
    share_of_gap,
    steps_count,
)
from analysis.report.table import ENDS, NOT_MEASURED, Json, Missing, decimal
from analysis.terminal import DIAGNOSIS
from analysis.words import capitalized, uncapitalized

MEANINGS = {
    "CLOSED": "the gap shrank, what remains is below the margin, and parallel kept its accuracy",
    "CLOSED_BY_DAMAGE": "the gap closed, but parallel may have lost more than the margin",
    "NARROWED": "the gap shrank, but that the rest is below the margin is not shown",
    "NOT_SHOWN": "that the gap shrank is not shown",
    "NO_GAP": "there is no gap to close",
}


def points(share: float) -> str:
    """100 x share with one decimal and a true minus sign."""
    return decimal(100 * share, 1)


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
            "meaning": _interim(summary, family) + _meaning(entry),
            "numbers": _answer_numbers(summary, family, entry),
        }
        for family, _, name, entry in entries_of(summary, "adapters")
    ]
    answered = {answer["family"] for answer in found}
    return found + [_base_answer(summary, f) for f in families(summary) if f not in answered]


def _interim(summary: Json, family: str) -> str:
    interim = families(summary)[family].get("interim")
    return f"{interim['label']}; " if interim else ""


def _meaning(entry: Json) -> str:
    verdict = entry.get("verdict")
    if verdict is None:
        return str(entry.get("reason") or "").rstrip(".") or "an arm is missing"
    if entry.get("withheld"):
        return uncapitalized(entry["withheld"]).rstrip(".")
    return MEANINGS.get(verdict, str(entry.get("reason") or verdict))


def _answer_numbers(summary: Json, family: str, entry: Json) -> str:
    label = aggregator_label(primary_of(summary, family), steps_count(summary))
    n = (entry.get("did") or {}).get("n")
    tail = f", {n} problems" if n else ""
    return (
        f"Gap in {label}: {said(entry.get('gap_base'))} before training, "
        f"{said(entry.get('gap_adapted'))} after; DiD {said(entry.get('did'))}{tail}."
    )


def _base_answer(summary: Json, family: str) -> dict[str, str]:
    gap, name = base_gap(summary, family), base_of(summary, family)
    label = aggregator_label(primary_of(summary, family), steps_count(summary))
    tail = f", {gap['n']} problems" if gap.get("n") else ""
    return {
        "family": family,
        "name": name,
        "verdict": "NO ADAPTER",
        "meaning": f"{_interim(summary, family)}nothing was trained, so there is no verdict",
        "numbers": f"Gap in {label}: {said(gap)}{tail}.",
    }


def interims(summary: Json) -> dict[str, str]:
    """Family that is still being sampled -> why its verdicts do not count yet."""
    found = {name: family.get("interim") for name, family in families(summary).items()}
    return {name: entry["sentence"] for name, entry in found.items() if entry}


def diagnoses(summary: Json) -> dict[str, list[tuple[str, list[str]]]]:
    """Family -> what its records are, what they allow and what not: (title, sentences)."""
    return {
        name: [
            (title, found[part])
            for part, title in DIAGNOSIS.items()
            if (found := family.get("diagnosis") or {}).get(part)
        ]
        for name, family in families(summary).items()
    }


def stoppings(summary: Json) -> dict[str, str]:
    """Family -> what its stopping rule decided, and what that does to the other numbers."""
    found = {name: family.get("stopping") for name, family in families(summary).items()}
    return {
        name: " ".join(filter(None, (entry["sentence"], entry["caution"])))
        for name, entry in found.items()
        if entry
    }


def unsettled(summary: Json) -> dict[str, list[tuple[str, str]]]:
    """Family -> systems, with what the attempts that have no outcome could change."""
    return {
        name: [(s, found["sentence"]) for s, found in (family.get("unsettled") or {}).items()]
        for name, family in families(summary).items()
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
        if base_gap(summary, family, "coverage")
    ]
    for family, _, arm, entry in entries_of(summary, "controls"):
        text = _control_reading(summary, family, arm, entry.get("difference") or {})
        found.append(
            {"family": family, "hypothesis": hypotheses(summary).get(arm, arm), "text": text}
        )
    return sorted(found, key=lambda reading: list(families(summary)).index(reading["family"]))


def cause_readings(summary: Json) -> list[dict[str, str]]:
    """What the attribution of each system's gap says, sentence by sentence."""
    return [
        {"family": family, "system": system, "text": sentence}
        for family, _, system, causes in entries_of(summary, "attribution")
        for sentence in causes.get("reading") or []
    ]


def _aggregator_reading(summary: Json, family: str) -> str:
    gap = base_gap(summary, family, "coverage")
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
        f"{first} Of the majority gap of {said(base_gap(summary, family, 'majority'))}, "
        f"{said(identity.get('coverage_term'))} come from coverage and "
        f"{said(identity.get('selection_term'))} from selection."
    )


_DESIGN_WORDS = {
    "context": "a context as long as the history, but of no use,",
    "exposure": "the chain's own answers at next to no length",
    "swapped": "a history of answers the chain did not give itself",
}


def _control_reading(summary: Json, family: str, arm: str, difference: Json) -> str:
    design = settings_of(summary).get("design") or {}
    words = {design[key]: text for key, text in _DESIGN_WORDS.items() if key in design}
    what = words.get(arm, f"the arm {arm}")
    low, high = (number(difference.get(key)) for key in ENDS)
    margin = number(settings_of(summary).get("margin"))
    if math.isnan(low):
        return f"What {what} costs is not measured."
    if high < 0:
        return f"Behind {what} the model does better than alone: parallel is at {said(difference)}."
    share = share_of_gap(difference, base_gap(summary, family))
    of_gap = "" if isinstance(share, Missing) else f", {100 * share:.0f} % of the gap"
    small = f" The upper end is below the margin of {points(margin)}." if high < margin else ""
    if low > 0:
        return capitalized(f"{what} costs {said(difference)}{of_gap}.{small}")
    return f"That {what} costs accuracy is not shown: {said(difference)}.{small}"
