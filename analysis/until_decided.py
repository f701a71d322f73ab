"""Sampling by the early-stopping rule, look after look, and what the summary says of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from analysis.config import PARALLEL, SEQUENTIAL, AnalysisConfig, SystemInfo
from analysis.numbers import Json
from analysis.table import Table, arrange, build_table
from analysis.watch import Systems, Watch, watch
from sample.records import Attempt

Orders = Mapping[str, Sequence[str]]
"""Family -> its problems as ``monitoring_order`` gives them, the order they are sampled in."""


def watch_all(
    attempts: Iterable[Attempt],
    orders: Orders,
    config: AnalysisConfig,
    adapters: Systems,
    *,
    steps: int,
    replicates: int,
) -> dict[str, Watch]:
    """Every family of the orders: the gap of the base, and the verdicts on these adapters.

    Raises:
        UsageError: no rule is set, or one that does not fit the number of problems.
    """
    models = {config.base, *(info.base for info in adapters.values() if info.base)}
    systems = {**{name: SystemInfo(name) for name in sorted(models)}, **adapters}
    arms = (PARALLEL, SEQUENTIAL)
    records = [a for a in attempts if a.system in systems and a.arm in arms]
    return {
        family: watch(
            _table([attempt for attempt in records if attempt.family == family], family, steps),
            family,
            order,
            config,
            systems,
            steps * replicates,
        )
        for family, order in orders.items()
    }


def _table(attempts: Sequence[Attempt], family: str, steps: int) -> Table:
    return build_table(attempts, steps) if attempts else arrange({}, {family: ()}, steps)


def stopping_json(watch: Watch) -> Json:
    """What a rule decided, and how the other numbers of the family are then to be read."""
    sizes = {"available": len(watch.order), "asked": watch.asked}
    said = {"adapters": dict(watch.verdicts), "sentence": watch.sentence}
    return {**sizes, **vars(watch.decision), **said, "caution": _caution(watch)}


def _caution(watch: Watch) -> str | None:
    if not watch.decision.stop:
        return "Sampling goes on: the ordinary intervals hold for no decision to stop it."
    if not watch.early:
        return None
    return (
        f"Sampling stopped early, after {watch.asked} of {len(watch.order)} problems, so the "
        "ordinary estimates are biased towards what was decided, and their intervals and p values "
        "are too sure; the interval of this decision and the verdicts hold at every look."
    )


def sample_until_decided(
    watch_now: Callable[[], Mapping[str, Watch]],
    make: Callable[[Mapping[str, int]], None],
    say: Callable[[str], None],
) -> dict[str, int]:
    """Sample look after look; gives how many problems of each family that took.

    watch_now: reads the records. make: makes what the first problems of each family, so many, still
    lack; a family that is decided asks for no more. say: told every decision.
    """
    watched, told = watch_now(), {}
    while True:
        make({family: found.asked for family, found in watched.items()})
        watched = watch_now()
        for family, found in watched.items():
            if told.get(family) != found.sentence:
                say(f"{family}: {found.sentence}")
            told[family] = found.sentence
        if all(found.decision.stop for found in watched.values()):
            return {family: found.asked for family, found in watched.items()}
