from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import attempt

from analysis.budgets import (
    attempt_costs,
    chain_costs,
    expected_maximum,
    pool_costs,
    select_replicates,
)
from analysis.table import build_table
from sample.records import Ledger

costs = st.lists(st.integers(0, 50), min_size=1, max_size=7)


@settings(deadline=None)
@given(costs)
def test_the_expected_maximum_is_the_mean_over_all_subsets(values):
    found = expected_maximum(np.array([values], dtype=float), len(values))[0]
    for k in range(1, len(values) + 1):
        oracle = np.mean([max(chosen) for chosen in combinations(values, k)])
        assert found[k - 1] == pytest.approx(oracle, abs=1e-9)


def test_unknown_costs_are_left_out_and_too_few_give_nothing():
    found = expected_maximum(np.array([[3.0, np.nan, 5.0], [np.nan, np.nan, np.nan]]), 3)
    assert found[0] == pytest.approx([4, 5, np.nan], nan_ok=True)
    assert np.isnan(found[1]).all()


def test_the_critical_path_of_sixteen_lognormal_attempts():
    """Lognormal lengths, sigma .5: the longest of 16 is 2.2 mean lengths, their sum 7.6 of it."""
    lengths = np.random.default_rng(0).lognormal(0, 0.5, (1, 20_000))
    longest = expected_maximum(lengths, 16)[0, -1]
    assert longest / lengths.mean() == pytest.approx(2.2, abs=0.06)
    assert 16 * lengths.mean() / longest == pytest.approx(7.6, abs=0.4)


def cell(ledgers, arm="parallel", replicate=lambda i: 0):
    steps = len(ledgers)
    records = [attempt(arm=arm, step=i + 1, ledger=ledgers[i]) for i in range(steps)]
    return build_table(records).cells["toy", "base", arm]


LEDGERS = [
    Ledger(prompt=10, cached=0, thinking=6, answer=2, seconds=0),
    Ledger(prompt=30, cached=20, thinking=3, answer=1, seconds=0),
]


def test_the_four_costs_of_chains_and_pools():
    chain = cell(LEDGERS, "sequential")
    found = {name: chain_costs(chain, name)[0].tolist() for name in ("generated", "total")}
    assert found == {"generated": [8, 12], "total": [18, 52]}
    assert chain_costs(chain, "cached")[0].tolist() == [18, 32]
    assert chain_costs(chain, "latency")[0].tolist() == [8, 12]
    pool = cell(LEDGERS)
    assert pool_costs(pool, "generated", 2)[0].tolist() == [6, 12]
    assert pool_costs(pool, "total", 2)[0].tolist() == [26, 52]
    assert pool_costs(pool, "latency", 2)[0].tolist() == [6, 8]


def test_a_cache_that_the_engine_cannot_count_stays_unknown():
    unknown = cell([Ledger(10, None, 1, 1, 0.0), Ledger(10, None, 1, 1, 0.0)])
    assert np.isnan(attempt_costs(unknown, "cached")).all()
    assert np.isnan(pool_costs(unknown, "cached", 2)).all()
    assert pool_costs(unknown, "total", 2)[0].tolist() == [12, 24]


def test_replicates_are_selected_in_every_array():
    records = [attempt(replicate=r, canonical=str(r), correct=bool(r)) for r in (0, 1)]
    one = select_replicates(
        build_table(records).cells["toy", "base", "parallel"], np.array([False, True])
    )
    assert one.correct.ravel().tolist() == [1] and one.answer.ravel().tolist() == [1]
    assert one.tokens["prompt"].shape == one.finish.shape == one.present.shape == (1, 1, 1)
