"""Which groups run together.

A *group* is a problem and a replicate. Where an arm reads answers to another problem, groups run
in *bundles* of one family and replicate: the first two problems, the next two, ..., three at the
end of an odd number. Each problem of a bundle is the partner of the one before it. So partners are
the same however the run is shared out, and one is never waited for that nobody has begun.
"""

from collections.abc import Iterable

from sample.errors import UsageError
from sample.problems import Problem

Group = tuple[Problem, int]
Bundle = tuple[Group, ...]


def bundled(groups: Iterable[Group], paired: bool) -> list[Bundle]:
    """The groups in bundles; each its own bundle unless ``paired``.

    Some of these bundles, taken apart and bundled again in the same order, give the same bundles.

    Raises:
        UsageError: a family of one problem has no pair.
    """
    if not paired:
        return [(group,) for group in groups]
    alike: dict[tuple[str, int], list[Group]] = {}
    for problem, replicate in groups:
        alike.setdefault((problem.family, replicate), []).append((problem, replicate))
    return [bundle for found in alike.values() for bundle in _pairs(found)]


def _pairs(groups: list[Group]) -> list[Bundle]:
    if len(groups) < 2:
        raise UsageError(
            f"config: answers to other problems need two problems or more; "
            f"raise sample.problems.{groups[0][0].family}.count"
        )
    starts = range(0, len(groups) - 1, 2)
    return [tuple(groups[i : i + 2 if i + 3 != len(groups) else i + 3]) for i in starts]


def without_cut(size: int, total: int) -> int:
    """The least number of first problems, ``size`` or more, that cuts no pair of all ``total``.

    So a run that takes in more problems as it goes gives none of them another partner.
    """
    even = size + size % 2
    return total if even >= total - 1 else even


def partner(bundle: Bundle, group: Group) -> Group:
    """The group whose answers ``group`` reads: the next of its bundle, in a ring."""
    return bundle[(bundle.index(group) + 1) % len(bundle)]
