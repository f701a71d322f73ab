"""Several runs read as one study: what they share, and what must not be taken for the same."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

from msgspec import structs

from analysis.config import AnalysisConfig, SystemInfo, guess_info
from sample.errors import UsageError
from sample.records import Attempt

Place = tuple[str, str, str, str]
"""System, arm, family, problem."""


@dataclass(frozen=True)
class Part:
    """One run of several. name: what it is called in messages.

    label: stands before the name of each of its systems, so that they are its own; "" = none.
    read: its attempts, anew at every call. config: its analyze section.
    systems: what the config says of each system. identities: system -> its weights, comparable
    between runs; a system that is not there is known by its name alone.
    """

    name: str
    label: str
    read: Callable[[], Iterable[Attempt]]
    config: AnalysisConfig
    systems: Mapping[str, SystemInfo]
    identities: Mapping[str, Any]

    def called(self, system: str) -> str:
        """The name of one of its systems in the study."""
        return f"{self.label}-{system}" if self.label else system

    def attempts(self) -> Iterator[Attempt]:
        for attempt in self.read():
            yield structs.replace(attempt, system=self.called(attempt.system))

    @cached_property
    def own_places(self) -> set[Place]:
        """With the names of systems as the run has them."""
        return {(a.system, a.arm, a.family, a.problem) for a in self.read()}

    @property
    def places(self) -> set[Place]:
        return {
            (self.called(system), arm, family, problem)
            for system, arm, family, problem in self.own_places
        }

    @cached_property
    def problems(self) -> dict[str, set[str]]:
        """Family -> its problems."""
        found: dict[str, set[str]] = {}
        for _, _, family, problem in self.own_places:
            found.setdefault(family, set()).add(problem)
        return found

    def infos(self) -> dict[str, SystemInfo]:
        """What each of its systems is, by its name in the study."""
        base = self.config.base
        names = {system for system, *_ in self.own_places}
        known = [self.systems.get(name) or guess_info(name, base) for name in sorted(names)]
        return {self.called(info.name): self._labelled(info) for info in known}

    def _labelled(self, info: SystemInfo) -> SystemInfo:
        base = None if info.base is None else self.called(info.base)
        method = None if info.method is None else self.called(info.method)
        return SystemInfo(self.called(info.name), base, method, info.seed)


def refuse_collisions(parts: Sequence[Part]) -> None:
    """Refuse to read as one system what is two, or to let one attempt hide another.

    Raises:
        UsageError: names the systems, and says how to tell them apart.
    """
    for one, other in combinations(parts, 2):
        same = {system for system, *_ in one.places & other.places}
        unlike = set(_unlike(one, other))
        if same | unlike:
            why = "on the same problems" if same else "of other weights"
            raise UsageError(
                f"analyze: {one.name} and {other.name} both have {', '.join(sorted(same | unlike))}"
                f", {why}; tell them apart by a name for each run, which its systems then carry: "
                f"forage analyze a={one.name} b={other.name}"
            )


def _unlike(one: Part, other: Part) -> Iterator[str]:
    if one.label == other.label == "":
        for system in one.identities.keys() & other.identities.keys():
            if one.identities[system] != other.identities[system]:
                yield system


def shared_problems(parts: Sequence[Part]) -> list[str]:
    """A sentence for each family that not all runs have whole."""
    said = []
    for family in sorted({family for part in parts for family in part.problems}):
        sets = {part.name: part.problems.get(family, set()) for part in parts}
        shared, whole = set.intersection(*sets.values()), set.union(*sets.values())
        if len(shared) == len(whole):
            said.append(f"{family}: the runs share all {len(whole)} problems")
            continue
        sizes = ", ".join(f"{name} {len(problems)}" for name, problems in sets.items())
        said.append(
            f"{family}: of {len(whole)} problems ({sizes}) {len(shared)} are in every run; systems "
            "are compared on those that both have, a system's own gap uses all of its own"
        )
    return said


def joint_settings(parts: Sequence[Part]) -> tuple[AnalysisConfig, bool]:
    """The settings of the study, and whether those of all runs agree.

    They are the first run's, with the primary aggregators of the families that it does not have.
    """
    first, primary, agree = parts[0].config, dict[str, str](), True
    for part in parts:
        for family in part.problems:
            own = part.config.aggregator(family)
            agree &= primary.setdefault(family, own) == own
        agree &= replace(part.config, primary={}) == replace(first, primary={})
    base = parts[0].called(first.base)
    return replace(first, primary=primary, base=base, stopping=None), agree
