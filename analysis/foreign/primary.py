"""What decides the verdict on attempts that others made: coverage where they hold no answers."""

from collections.abc import Iterable, Mapping

from sample.errors import UsageError
from sample.records import Attempt

_NEED_ANSWERS = ("majority", "last")
"""The last answer of sequential faces the majority of parallel."""


def primary_of_files(attempts: Iterable[Attempt], asked: Mapping[str, str]) -> dict[str, str]:
    """family -> the aggregator of its verdict: as asked, and coverage where there are no answers.

    Raises:
        UsageError: one that needs answers was asked of a family without them.
    """
    answered: dict[str, bool] = {}
    for attempt in attempts:
        known = answered.get(attempt.family, False)
        answered[attempt.family] = known or attempt.canonical is not None
    silent = [family for family, known in answered.items() if not known]
    for family in silent:
        if asked.get(family) in _NEED_ANSWERS:
            raise UsageError(
                f"analyze.primary.{family}={asked[family]} needs answers, and no attempt has one; "
                "say which column holds them, --columns answer=NAME, or ask for coverage or "
                "accuracy"
            )
    return {**dict.fromkeys(silent, "coverage"), **asked}
