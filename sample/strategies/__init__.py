"""The strategies by name; the rule of each is the first line of its function's docstring."""

import difflib
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from sample.config import ArmConfig, parse
from sample.errors import UsageError
from sample.strategies import (
    aggregate,
    budget_forcing,
    chains,
    correct,
    draft_distil_refine,
    irrelevant_context,
    masked,
    other_problems,
    parallel,
    reject_repeats,
    rsa,
    sequential,
    shuffled,
    swapped_history,
    wrong_only,
)
from sample.strategies.base import Arm, PartnerArm, Strategy
from sample.strategies.reanswer import Reanswer
from sample.strategies.user import is_user_strategy, load_user_strategy, source_hash

STRATEGIES: Mapping[str, Strategy] = {
    "parallel": Strategy(parallel.parallel, sees="nothing"),
    "sequential": Strategy(sequential.sequential, sequential.Options, "earlier"),
    "reject_repeats": Strategy(reject_repeats.reject_repeats, reject_repeats.Options, "earlier"),
    "budget_forcing": Strategy(
        budget_forcing.budget_forcing, budget_forcing.Options, "earlier", prefills=True
    ),
    "chains": Strategy(chains.chains, chains.Options, "earlier"),
    "rsa": Strategy(rsa.rsa, rsa.Options, "earlier"),
    "draft_distil_refine": Strategy(
        draft_distil_refine.draft_distil_refine, draft_distil_refine.Options, "earlier"
    ),
    "aggregate": Strategy(aggregate.aggregate, aggregate.Options, "earlier"),
    "irrelevant_context": Strategy(
        irrelevant_context.irrelevant_context, irrelevant_context.Options, "nothing", counts=True
    ),
    "swapped_history": Strategy(
        swapped_history.swapped_history, swapped_history.Options, "nothing"
    ),
    "other_problems": Strategy(other_problems.other_problems, other_problems.Options, "nothing"),
    "wrong_only": Strategy(wrong_only.wrong_only, wrong_only.Options, "nothing"),
    "correct": Strategy(correct.correct, Reanswer, "nothing"),
    "shuffled": Strategy(shuffled.shuffled, Reanswer, "earlier"),
    "masked": Strategy(masked.masked, Reanswer, "earlier", counts=True),
}


def find_strategy(name: str) -> Strategy:
    """The strategy of that name, or the user's own of FILE.py:FUNCTION.

    Raises:
        UsageError: no such strategy; the text lists all.
    """
    if is_user_strategy(name):
        return load_user_strategy(name)
    if name in STRATEGIES:
        return STRATEGIES[name]
    near = difflib.get_close_matches(name, STRATEGIES, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(
        f"config: no strategy {name!r}; {hint}strategies: {', '.join(STRATEGIES)}, "
        "or FILE.py:FUNCTION for one of your own"
    )


def strategy_hashes(arms: Mapping[str, ArmConfig]) -> dict[str, str | None]:
    """The content hashes of the users' own strategies, by the name the manifest gives them.

    Raises:
        UsageError: a file that is not there.
    """
    names = {arm.strategy for arm in arms.values() if is_user_strategy(arm.strategy)}
    return {f"strategy {name}": source_hash(name) for name in sorted(names)}


def arm_options(name: str, arm: ArmConfig) -> Any:
    """The options of an arm as its strategy's dataclass.

    Raises:
        UsageError: unknown strategy, unknown option or wrong type.
    """
    return parse(find_strategy(arm.strategy).options, arm.options, f"sample.arms.{name}.options")


def needed_arms(name: str, arm: ArmConfig, kind: Any = None) -> tuple[str, ...]:
    """The arms whose finished attempts this arm reads; kind: ``Arm``, ``PartnerArm``, None = both.

    Raises:
        UsageError: as ``arm_options``.
    """
    strategy, options = find_strategy(arm.strategy), arm_options(name, arm)
    kinds = (Arm, PartnerArm) if kind is None else (kind,)
    return tuple(getattr(options, option) for kind in kinds for option in strategy.reads(kind))


def check_arms(arms: Mapping[str, ArmConfig]) -> None:
    """Refuse arms that could never run.

    Raises:
        UsageError: unknown strategy or option; an arm that reads one that is not there, that runs
            on fewer systems, or that in turn waits for it.
    """
    graph = {name: needed_arms(name, arm) for name, arm in arms.items()}
    for name, needed in graph.items():
        for other in needed:
            _check_need(name, other, arms)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise UsageError(
            f"config: arms wait for each other: {' -> '.join(error.args[1])}"
        ) from None


def _check_need(name: str, other: str, arms: Mapping[str, ArmConfig]) -> None:
    if other not in arms:
        known = ", ".join(arms)
        raise UsageError(
            f"config: arm {name!r} reads the attempts of arm {other!r}, not in sample.arms "
            f"(arms: {known}); add it or name another in sample.arms.{name}.options"
        )
    here, there = arms[name].systems, arms[other].systems
    if there is not None and (here is None or not set(here) <= set(there)):
        raise UsageError(
            f"config: arm {name!r} reads arm {other!r}, so sample.arms.{name}.systems must lie "
            f"within {list(there)} (given: {here and list(here)})"
        )


def check_sizes(arms: Mapping[str, ArmConfig], attempts: int, problems: Mapping[str, int]) -> None:
    """Refuse arms that the size of the run does not suit.

    attempts: N. problems: family -> how many there are.

    Raises:
        UsageError: an N that the options of an arm do not divide, or a family of one problem, which
            has no partner, where an arm reads partners.
    """
    for name, arm in arms.items():
        _check_fit(name, arm, attempts)
        alone = [family for family, count in problems.items() if count < 2]
        if alone and needed_arms(name, arm, PartnerArm):
            raise UsageError(
                f"config: arm {name!r} shows answers to other problems of the family, so "
                f"sample.problems.{alone[0]}.count must be 2 or more"
            )


def check_budget(arms: Mapping[str, ArmConfig], budget: int | None, longest: int) -> None:
    """
    longest: max_new_tokens.

    Raises:
        UsageError: a budget of tokens that leaves an arm nothing to make its last attempts from.
    """
    for name, arm in arms.items():
        drafts, closing = least_attempts(name, arm)
        enough = (drafts + closing) * longest
        if budget is not None and drafts and budget < enough:
            raise UsageError(
                f"config: sample.budget: arm {name!r} needs {enough} tokens or more (given: "
                f"{budget}): {drafts + closing} attempts of max_new_tokens ({longest}), of which "
                f"{closing} are made from the others; --set sample.budget={enough}"
            )


def least_attempts(name: str, arm: ArmConfig) -> tuple[int, int]:
    """See ``least`` of ``Strategy``; an arm that keeps no tokens needs none."""
    return getattr(arm_options(name, arm), "least", (0, 0))


def _check_fit(name: str, arm: ArmConfig, attempts: int) -> None:
    fit = getattr(arm_options(name, arm), "fit", None)
    try:
        if fit is not None:
            fit(attempts)
    except UsageError as error:
        raise UsageError(f"{error}, in sample.arms.{name}.options") from None
