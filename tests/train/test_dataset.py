from collections import Counter
from dataclasses import replace

import pytest

from sample.problems import Problem
from train.dataset import Plan, dataset
from train.method_config import HistoryConfig


def plan(groups: int = 6, depths: int = 4, seed: int = 0, count: int = 9) -> Plan:
    families = {
        name: [Problem(name, f"{name} {i}", "1", "none", f"{name}{i}") for i in range(count)]
        for name in ("a", "b")
    }
    return Plan(families, groups, depths, (7, "train", "diverse", seed))


def test_rows_stand_in_the_order_of_steps_and_groups():
    rows = dataset(plan(), 3)
    assert rows["step"][:] == [step for step in range(3) for _ in range(6)]
    assert rows["group"][:] == [*range(6)] * 3
    slots = [slot for step in range(3) for slot in plan().slots(step)]
    assert [row[0]["content"] for row in rows["prompt"]] == [s.problem.question for s in slots]


def test_families_share_every_step_evenly():
    for step in range(4):
        families = Counter(slot.problem.family for slot in plan().slots(step))
        assert families == {"a": 3, "b": 3}


def test_every_problem_is_used_once_before_any_comes_back():
    used = [slot.problem.id for step in range(3) for slot in plan().slots(step)]
    assert len(set(used)) == len(used) == 18
    again = [slot.problem.id for step in range(3, 6) for slot in plan().slots(step)]
    assert sorted(again) == sorted(used) and again != used


def test_depths_cover_zero_to_the_last_evenly_and_only_zero_without_histories():
    depths = Counter(slot.depth for step in range(300) for slot in plan().slots(step))
    assert set(depths) == {0, 1, 2, 3}
    # 1800 draws: a count has a standard deviation of 18.
    assert all(abs(count - 450) < 90 for count in depths.values())
    assert {slot.depth for slot in plan(depths=1).slots(0)} == {0}


def test_weights_and_shares_are_those_of_the_config():
    drawn = replace(plan(), history=HistoryConfig((1.0, 0.0, 3.0), base=0.25, solved=0.5))
    slots = [slot for step in range(300) for slot in drawn.slots(step)]
    depths = Counter(slot.depth for slot in slots)
    assert set(depths) == {0, 2} and abs(depths[0] - 450) < 90
    assert abs(sum(slot.base for slot in slots) - 450) < 90
    # Of a history without answers none can be asked to be correct.
    assert all((slot.solved is None) == (slot.depth == 0) for slot in slots)
    assert abs(sum(bool(slot.solved) for slot in slots) - depths[2] / 2) < 90


@pytest.mark.parametrize("part", ["order", "depth"])
def test_another_training_seed_draws_anew(part):
    def drawn(seed: int) -> list[object]:
        slots = [slot for step in range(3) for slot in plan(seed=seed).slots(step)]
        return [s.problem.id if part == "order" else s.depth for s in slots]

    assert drawn(0) == drawn(0) != drawn(1)
