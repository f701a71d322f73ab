"""A run that is asked for more: what is finished stays as it is, what is new is added.

More are problems (a larger ``count``, another set), replicates, arms, models, adapters, and
methods and seeds of training. A longer chain is not: some strategies divide a chain by its length.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sample.config import ArmConfig, parse
from sample.errors import UsageError

Data = Mapping[str, Any]


def cut_back(before: Data, now: Data) -> Data:
    """The resolved config ``now`` without what it asks for beyond ``before``."""
    old, new = before.get("sample"), now.get("sample")
    if not old or not new:
        return now
    kept = {name: _known(old[name], new[name]) for name in ("arms", "models", "adapters")}
    # Training draws from every set of problems, so there another set is another training.
    sets = new["problems"] if now.get("train") else _known(old["problems"], new["problems"])
    kept["problems"] = {name: _fewer(old["problems"].get(name), sets[name]) for name in sets}
    replicates = min(old["replicates"], new["replicates"])
    cut = {**now, "sample": {**new, **kept, "replicates": replicates}}
    if before.get("train") and now.get("train"):
        cut["train"] = _known_training(before["train"], now["train"])
    return cut


def _known_training(old: Data, new: Data) -> Data:
    """Without the methods and seeds that came later; an adapter depends on no other, but for the
    one it goes on from, which its method names."""
    kept = {"methods": _known(old["methods"], new["methods"]),
            "seeds": [seed for seed in old["seeds"] if seed in new["seeds"]]}  # fmt: skip
    if not any(_embeds(method) for method in old["methods"].values()):
        kept["encoder"] = old.get("encoder")
    return {**new, **kept}


def _embeds(method: Data) -> bool:
    return any(reward.get("measure") == "embedding" for reward in method["rewards"].values())


def _known(old: Data, new: Data) -> Data:
    return {name: value for name, value in new.items() if name in old}


def _fewer(old: Data | None, new: Data) -> Data:
    return {**new, "count": old["count"]} if old and _is_more(old, new) else new


def _is_more(old: Data, new: Data) -> bool:
    """Whether a set of problems has grown; a count of None is all of them."""
    before, now = old["count"], new["count"]
    return before is not None and (now is None or now > before)


def grown_sets(before: Data, now: Data) -> dict[str, int]:
    """The sets of problems that have grown -> how many they were.

    Raises:
        UsageError: an arm reads answers to the partner of a problem, and partners would change.
    """
    from sample.strategies import needed_arms
    from sample.strategies.base import PartnerArm

    old, new = before["sample"], now["sample"]
    both = _known(old["problems"], new["problems"])
    grown = {
        name: old["problems"][name]["count"]
        for name in both
        if _is_more(old["problems"][name], new["problems"][name])
    }
    arms = {name: parse(ArmConfig, arm, f"sample.arms.{name}") for name, arm in old["arms"].items()}
    paired = [name for name, arm in arms.items() if needed_arms(name, arm, PartnerArm)]
    odd = [name for name, count in grown.items() if count % 2]
    if paired and odd:
        raise UsageError(
            f"sample.problems.{odd[0]}.count cannot grow from {grown[odd[0]]}, an odd number: arm "
            f"{paired[0]!r} reads answers to a partner problem, and the last three would change "
            "partners; use another -o DIR"
        )
    return grown


def asked_beyond(before: Data, now: Data) -> Iterator[str]:
    """What ``now`` asks for beyond ``before``, in words."""
    old, new = before["sample"], now["sample"]
    if new["replicates"] > old["replicates"]:
        yield f"replicates {old['replicates']} -> {new['replicates']}"
    for name, count in grown_sets(before, now).items():
        yield f"problems.{name} {count} -> {new['problems'][name]['count'] or 'all'}"
    for section in ("problems", "arms", "models", "adapters"):
        yield from (f"{section}.{name}" for name in new[section] if name not in old[section])
    if before.get("train") and now.get("train"):
        old, new = before["train"], now["train"]
        methods = (name for name in new["methods"] if name not in old["methods"])
        yield from (f"train.methods.{name}" for name in methods)
        seeds = [f"train.seeds {seed}" for seed in new["seeds"] if seed not in old["seeds"]]
        moved = old["seeds"] != new["seeds"] and not seeds
        yield from ["train.seeds in another order"] if moved else seeds
