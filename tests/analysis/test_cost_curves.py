"""Curves of both arms against a cost, and the gap that lies between them."""

import numpy as np
import pytest
from simulated import simulate
from test_matching import ARMS, cells, tokens

from analysis.cost_curves import cost_curve, cost_curve_json
from analysis.matching import Curves, curves, over_budgets


def both(parallel=8, sequential=8, aggregator="coverage", **options):
    p, s = cells(tokens(simulate(ARMS, **options), parallel=parallel, sequential=sequential))
    return curves(p, "parallel", aggregator), curves(s, "sequential", aggregator)


def toy(value, cost, kind="generated"):
    return Curves(np.array([value]), {kind: np.array([cost], dtype=float)})


@pytest.mark.parametrize("aggregator", ["coverage", "majority", "accuracy", "last"])
@pytest.mark.parametrize("cost", ["generated", "total"])
def test_the_mean_distance_is_the_gap_at_equal_cost(aggregator, cost):
    p, s = both(7, 11, aggregator, problems=60)
    found = cost_curve(p, s, cost)
    assert found is not None
    between = np.trapezoid(found.parallel - found.sequential, dx=1 / 16, axis=1)
    assert between.mean() == pytest.approx(over_budgets(cost)(p, s).mean(), abs=0.005)


def test_points_go_in_doublings_over_the_shared_budgets_and_all_problems_count():
    p = Curves(np.tile([0.2, 0.6], (2, 1)), {"generated": np.array([[10.0, 40.0], [20.0, 80.0]])})
    s = Curves(np.tile([0.1, 0.3], (2, 1)), {"generated": np.array([[10.0, 160.0], [20.0, 99.0]])})
    found = cost_curve(p, s, "generated")
    assert found is not None and found.parallel.shape == (2, 17)
    assert np.diff(np.log2(found.tokens)) == pytest.approx(2 / 16)
    assert found.tokens[[0, -1]] == pytest.approx([200**0.5, 3200**0.5])
    assert found.parallel[:, [0, -1]] == pytest.approx(np.array([[0.2, 0.6], [0.2, 0.6]]))


def test_a_problem_without_shared_budgets_is_left_out_and_none_is_no_curve():
    p = Curves(np.tile([0.2, 0.6], (2, 1)), {"generated": np.array([[10.0, 20.0], [10.0, 20.0]])})
    s = Curves(np.tile([0.1, 0.3], (2, 1)), {"generated": np.array([[10.0, 20.0], [30.0, 90.0]])})
    found = cost_curve(p, s, "generated")
    assert found is not None and len(found.parallel) == 1
    unknown = Curves(s.value, {"generated": np.full((2, 2), np.nan)})
    assert cost_curve(p, unknown, "generated") is None
    assert cost_curve_json(None, 0.05) is None


def test_at_a_deadline_an_arm_that_has_made_its_attempts_keeps_what_they_solve():
    p, s = toy([0.2, 0.7], [10, 12], "latency"), toy([0.2, 0.4], [11, 22], "latency")
    for sides, first in (((p, s), 0), ((s, p), 1)):
        found = cost_curve(*sides, "latency")
        assert found is not None and found.tokens[[0, -1]] == pytest.approx([11, 22])
        pair = (found.parallel[0], found.sequential[0])
        assert pair[first][0] == pytest.approx(0.45) and pair[first][-1] == pytest.approx(0.7)
        assert (pair[first][3:] == 0.7).all()
        assert pair[1 - first][[0, -1]] == pytest.approx([0.2, 0.4])


def test_costs_that_differ_by_rounding_are_equal():
    """Of parallel attempts that take equally long, all are made at the first deadline."""
    path = 18 * (1 + 1e-15 * np.array([0, 2, 1, 2, 0]))
    p = Curves(np.array([[0.4, 0.5, 0.6, 0.7, 0.9]]), {"latency": path[None]})
    s = Curves(p.value, {"latency": np.array([[18.0, 36, 54, 66, 84]])})
    found = cost_curve(p, s, "latency")
    assert found is not None and found.parallel[0] == pytest.approx(0.9)


def test_intervals_are_those_over_problems_of_each_budget():
    found = cost_curve(*both(problems=60), "generated", replicates=2)
    assert found is not None
    shown = cost_curve_json(found, 0.05)
    assert shown is not None and shown["n"] == 60 == len(found.parallel)
    gap = (found.parallel - found.sequential)[:, 8]
    half = 2.001 * gap.std(ddof=1) / 60**0.5
    at = [shown["gap"][end][8] for end in ("low", "estimate", "high")]
    mean = gap.mean()
    assert at == pytest.approx([mean - half, mean, mean + half], abs=1e-4)
