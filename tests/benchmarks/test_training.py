"""The benchmark of training drives the trainer by its inner parts, which change."""

import pytest

from benchmarks.training import METHODS, ours, plain, run, shares
from train.config import TrainConfig

pytestmark = pytest.mark.slow


def test_both_trainers_make_a_step_and_the_parts_of_it_are_counted():
    config = TrainConfig(METHODS, steps=1, groups=2, group_size=2, trackers=())
    for trainer in (plain(config), ours(config, "single")):
        taken = run(trainer, config.steps)
        assert taken.seconds > 0 and taken.tokens > 0
    _, parts = shares(config)
    assert set(parts) == {"making histories", "grading", "rewards", "attempts"}
