"""What a config asks for, counted without loading anything."""

from collections.abc import Iterable, Mapping

from sample.config import ArmConfig, SampleConfig


def arms_on(config: SampleConfig, system: str) -> dict[str, ArmConfig]:
    """The arms that run on a system."""
    return {
        name: arm
        for name, arm in config.arms.items()
        if arm.systems is None or system in arm.systems
    }


def attempts_asked(
    config: SampleConfig, systems: Iterable[str], upto: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Family -> how many attempts are asked of the systems of these names, as far as is known.

    upto: family -> its first problems, so many; None = all. Of a set that is taken whole nothing is
    known then: only loading it would show its size.
    """
    counts = {family: problems.count or 0 for family, problems in config.problems.items()}
    arms = sum(len(arms_on(config, system)) for system in systems)
    each = config.replicates * config.attempts * arms
    return {family: count * each for family, count in (upto or counts).items()}
