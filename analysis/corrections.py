"""The p values of a summary as families of tests, with their corrections."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from analysis.multiplicity import benjamini_hochberg, holm
from analysis.numbers import Json

_SHRANK = ("NARROWED", "CLOSED", "CLOSED_BY_DAMAGE")


def corrected_json(families: Mapping[str, Json], base: str, alpha: float) -> Json:
    """Confirmatory tests with Holm's correction, exploratory ones with Benjamini-Hochberg's.

    Confirmatory: did the gap shrink, for every adapter on the primary aggregator; in a family
    without adapters, is there a gap, for every model. Exploratory: the controls, and the same
    question under the other aggregators.
    """
    confirmatory = [test for name, family in families.items() for test in _main(name, family, base)]
    exploratory = [test for name, family in families.items() for test in _rest(name, family)]
    return {
        "confirmatory": _adjusted(confirmatory, holm, alpha),
        "exploratory": _adjusted(exploratory, benjamini_hochberg, alpha),
    }


def p_value(gap: Json) -> float:
    """McNemar mid-p of single runs, else the larger of t and sign flip; NaN if there is none."""
    if not math.isnan(gap["p_mcnemar"]):
        return gap["p_mcnemar"]
    known = [p for p in (gap["p_t"], gap["p_flip"]) if not math.isnan(p)]
    return max(known, default=math.nan)


def correction_warnings(families: Mapping[str, Json], tests: Json) -> list[str]:
    """Adapters whose gap shrank by their own test, but not after the correction."""
    found = tests["confirmatory"]
    return [
        f"{test['family']}: {test['name']}: that the gap shrank does not hold after Holm's "
        f"correction over {len(found)} tests (p {test['p']:.3f}, adjusted {test['p_adjusted']:.3f})"
        for test in found
        if test["test"] == "did"
        and not test["holds"]
        and families[test["family"]]["adapters"][test["name"]]["verdict"] in _SHRANK
    ]


def _main(name: str, family: Json, base: str) -> Iterator[Json]:
    for adapter, entry in family["adapters"].items():
        if entry["did"] is not None:
            yield _test(name, "did", adapter, family["primary"], entry["did"])
    if family["adapters"]:
        return
    for model in (base, *family["models"]):
        gap = family["systems"].get(model, {}).get("gaps", {}).get(family["primary"])
        if gap is not None:
            yield _test(name, "gap", model, family["primary"], gap)


def _rest(name: str, family: Json) -> Iterator[Json]:
    for arm, entry in family["controls"].items():
        yield _test(name, "control", arm, family["primary"], entry["difference"])
    for adapter, entry in family["adapters"].items():
        for aggregator, changes in entry["other_aggregators"].items():
            if changes["did"] is not None:
                yield _test(name, "did", adapter, aggregator, changes["did"])


def _test(family: str, test: str, name: str, aggregator: str, gap: Json) -> Json:
    p = p_value(gap)
    return {"family": family, "test": test, "name": name, "aggregator": aggregator, "p": p}


def _adjusted(tests: list[Json], adjust: Callable[[Any], NDArray], alpha: float) -> list[Json]:
    adjusted = adjust([test["p"] for test in tests])
    return [
        {**test, "p_adjusted": float(p), "holds": bool(p < alpha)}
        for test, p in zip(tests, adjusted, strict=True)
        if not math.isnan(p)
    ]
