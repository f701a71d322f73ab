"""The problem sets that a method is trained on."""

from collections.abc import Mapping

from sample.config import ProblemConfig, need
from sample.families import is_held_out
from sample.records import ANSWER
from train.config import TrainConfig


def trainable_families(
    problems: Mapping[str, ProblemConfig], config: TrainConfig, method: str
) -> dict[str, ProblemConfig]:
    """Those that the method is trained on; evaluation sets are never among them.

    Raises:
        UsageError: the method names one that is not to be had, or one whose traces are graded.
    """
    found = {name: family for name, family in problems.items() if not is_held_out(family)}
    wanted = config.methods[method].families
    for name in wanted or ():
        some = f"some of {', '.join(found)}"
        need(name in found, f"train.methods.{method}.families", some, name)
    found = {name: family for name, family in found.items() if wanted is None or name in wanted}
    for name, family in found.items():
        expected = (
            f"{ANSWER} where it is trained on, as rewards grade answers; or other families in "
            f"train.methods.{method}"
        )
        need(family.graded == ANSWER, f"sample.problems.{name}.graded", expected, family.graded)
    return found
