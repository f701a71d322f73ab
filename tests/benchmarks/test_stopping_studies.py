"""The table of the stopping rule, from a handful of small studies."""

import numpy as np
import pytest

from benchmarks.stopping import COLUMNS, PRIMARY, draw_pool, row, run, scenes


@pytest.fixture(scope="module")
def pool():
    return draw_pool(2000)


def test_the_adapters_are_what_they_are_called(pool):
    left = {name: pool["gap_adapted", name, PRIMARY].estimate for _, name, _ in _adapters(pool)}
    assert left["closed"] == pytest.approx(0, abs=0.02) == left["damaged"]
    assert left["at the margin"] == pytest.approx(0.03, abs=0.02)
    assert left["closed"] < left["halved"] < left["unchanged"]
    assert pool["parallel_change", "damaged", PRIMARY].estimate < -0.02


def _adapters(pool):
    return [key for key in pool if key[0] == "gap_adapted"]


def test_every_scene_has_its_row_and_one_study_says_the_same_twice(pool):
    for scene in scenes(pool):
        one, same = (run(pool, scene, 60, 4, np.random.default_rng(0)) for _ in range(2))
        assert one == same and 0 < one.used <= 1
        assert len(row(pool, scene, 60, [one, same])) == len(COLUMNS)
