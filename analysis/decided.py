"""Whether the verdict on an adapter is decided, so that sampling may end for it.

A test that passed has shown what it asks. One that did not has shown nothing yet, so the verdict
that it gives is decided only once the contrary is shown, by a one-sided bound as tight as those of
the tests: there is no gap to close, what shrank is less than the margin, more than the margin is
left, or parallel lost more than the margin.
"""

from collections.abc import Mapping

from analysis.config import SystemInfo
from analysis.numbers import Json
from analysis.statistic import Statistic
from analysis.study import Study
from analysis.unsettled import unsettled_json
from analysis.verdict import Terms, Verdict, judge


def decided_verdicts(
    study: Study, systems: Mapping[str, SystemInfo], primary: str, terms: Terms
) -> dict[str, str | None]:
    """Adapter of the systems -> its verdict; None = open.

    Open too is one that attempts without an outcome forbid to say.
    """
    unsettled = unsettled_json(study, systems, primary, terms)
    adapters = [name for name, info in systems.items() if info.base is not None]
    return {name: _verdict(study, name, primary, terms, unsettled.get(name)) for name in adapters}


def _verdict(
    study: Study, name: str, primary: str, terms: Terms, unsettled: Json | None
) -> str | None:
    if ("did", name, primary) not in study.contrasts:
        return None
    base, left, change = (
        study.contrasts[key, name, primary]
        for key in ("gap_base", "gap_adapted", "parallel_change")
    )
    judged = judge(base, left, change, terms)
    cases = unsettled["cases"].values() if unsettled else ()
    said = all(case["verdict"] == judged.verdict for case in cases)
    return judged.verdict if said and is_decided(judged, base, left, change, terms) else None


def is_decided(
    judged: Verdict, base: Statistic, left: Statistic, change: Statistic, terms: Terms
) -> bool:
    """Whether the contrary of the test that failed is shown, or all passed.

    base, left, change: as ``judge`` takes them.
    """
    margin, one_sided = terms.margin, 2 * terms.alpha
    contrary = {
        "NO_GAP": lambda: terms.bounds(base, one_sided).high < margin,
        "NOT_SHOWN": lambda: terms.bounds(base - left, one_sided).high < margin,
        "NARROWED": lambda: terms.bounds(left, one_sided).low > margin,
        "CLOSED_BY_DAMAGE": lambda: terms.bounds(change, one_sided).high < -margin,
        "CLOSED": lambda: True,
    }
    return contrary[judged.verdict]()
