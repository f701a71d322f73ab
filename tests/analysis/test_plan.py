import math
from xml.etree import ElementTree

import numpy as np
import pytest
from report_files import svg_alone
from rich.console import Console
from simulated import simulate

from analysis.config import AnalysisConfig
from analysis.pilot import Pilot, measure, read_pilot
from analysis.plan import PlanConfig, joint_problems, make_plan, run_plan
from analysis.plan_shown import save_plan_figure, show_plan
from analysis.statistic import Statistic
from sample.errors import UsageError

ANALYZE = AnalysisConfig(primary={"toy": "coverage"})
ARMS = {("base", "parallel"): 0.0, ("base", "sequential"): 0.8}


@pytest.fixture(scope="module")
def pilot():
    arms = {**ARMS, ("diverse-s0", "parallel"): 0.0, ("diverse-s0", "sequential"): 0.2}
    return list(simulate(arms, problems=60, replicates=4, steps=4))


def test_variances_are_found_back_from_a_pilot():
    rng = np.random.default_rng(0)
    true = rng.normal(0.1, 0.2, 4000)
    runs = true[:, None] + rng.normal(0, 0.4, (4000, 4))
    found = measure(Statistic(runs.mean(axis=1), runs.var(axis=1, ddof=1) / 4, 4, -1.0, 1.0))
    assert found.variances.between == pytest.approx(0.04, rel=0.1)
    assert found.variances.within == pytest.approx(0.16, rel=0.05)
    assert found.problems == 4000 and not found.single


def test_one_replicate_makes_no_promise_of_more():
    found = measure(Statistic(np.arange(20) / 20, np.full(20, np.nan), 1, -1.0, 1.0))
    assert found.single and found.variances.within == 0
    (plan,) = run_plan(simulate(ARMS, problems=60, replicates=1), PlanConfig(), ANALYZE)
    assert [row.replicates for row in plan.rows] == [1]
    assert any("one replicate" in warning for warning in plan.warnings)


def test_a_pilot_with_an_adapter_gives_every_claim_its_own_variance(pilot):
    (read,) = read_pilot(pilot, ANALYZE)
    assert set(read.contrasts) == {"gap", "did", "parallel_change"}
    (plan,) = run_plan(pilot, PlanConfig(), ANALYZE)
    assert [claim.name for claim in plan.claims] == ["gap", "shrank", "closed", "no damage"]
    assert not any(claim.assumed for claim in plan.claims)
    assert plan.claims[0].effect == pytest.approx(read.contrasts["gap"].estimate)
    assert plan.claims[2].effect == pytest.approx(0.03)


def test_stated_variances_give_the_planned_power():
    (plan,) = run_plan(None, PlanConfig(gap=0.1), ANALYZE, between=0.05, within=0.2)
    assert [claim.assumed for claim in plan.claims] == [False, True, False, True]
    for row in plan.rows:
        for claim in plan.claims:
            n = row.needed[claim.name]
            assert n is not None and claim.power(n, row.replicates, 0.05) >= 0.8
        missed = sum(1 - claim.power(row.verdict, row.replicates, 0.05) for claim in plan.claims)
        assert missed <= 0.2
        assert row.verdict >= max(row.needed.values())
        assert row.attempts == 4 * row.verdict * row.replicates * 8
    needs = [row.verdict for row in plan.rows]
    assert needs == sorted(needs, reverse=True)


def test_the_joint_plan_holds_in_a_simulation_of_whole_studies():
    (plan,) = run_plan(None, PlanConfig(gap=0.1), ANALYZE, between=0.03, within=0.1)
    row = next(row for row in plan.rows if row.replicates == 4)
    n, rng = row.verdict, np.random.default_rng(1)
    claims = [(c.effect, c.measured.at(4), c.sides) for c in plan.claims]
    passed = 0
    for _ in range(300):
        ratios = [
            np.sqrt(n) * d.mean() / d.std(ddof=1)
            for d in (rng.normal(effect, sd, n) for effect, sd, _ in claims)
        ]
        critical = [1.960 if sides == 2 else 1.645 for _, _, sides in claims]
        passed += all(t > c for t, c in zip(ratios, critical, strict=True))
    assert passed >= 220  # 240 expected at least


def test_what_is_out_of_reach_is_said():
    left_over = PlanConfig(gap=0.2, closed=0.5)
    (plan,) = run_plan(None, left_over, ANALYZE, between=0.05, within=0.2)
    assert plan.rows[0].needed["closed"] is None and plan.rows[0].verdict is None
    assert "closed" in plan.advice and "Out of reach" in plan.advice
    assert joint_problems(plan.claims, 4, 0.05, 0.8) is None
    few = PlanConfig(gap=0.1, available=30)
    (plan,) = run_plan(None, few, ANALYZE, between=0.05, within=0.2)
    assert "30 available problems cannot carry" in plan.advice
    assert 0 < plan.rows[0].power["closed"] < plan.rows[-1].power["closed"] < 0.3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gap": 1.5}, "--gap: expected"),
        ({"power": 0.2}, "--power: expected"),
        ({"closed": 0}, "--closed: expected"),
        ({"available": 1}, "--available: expected"),
    ],
)
def test_bad_settings_are_refused_in_one_line(given, words):
    with pytest.raises(UsageError, match=words):
        PlanConfig(**given)


def test_unusable_pilots_are_refused_with_what_to_do():
    with pytest.raises(UsageError, match="state --gap"):
        run_plan(None, PlanConfig(), ANALYZE, between=0.1, within=0.1)
    with pytest.raises(UsageError, match="not both"):
        run_plan(None, PlanConfig(), ANALYZE)
    with pytest.raises(UsageError, match="at least 0"):
        run_plan(None, PlanConfig(gap=0.1), ANALYZE, between=-0.1, within=0.1)
    only = simulate({("base", "parallel"): 0.0}, problems=20)
    with pytest.raises(UsageError, match="parallel and sequential of 'base'"):
        run_plan(only, PlanConfig(), ANALYZE)
    with pytest.raises(UsageError, match="4 problems with both arms"):
        run_plan(simulate(ARMS, problems=4), PlanConfig(), ANALYZE)


@pytest.mark.parametrize("width", [80, 100])
def test_the_printed_plan_holds_every_number_of_the_rows(pilot, width):
    plans = run_plan(pilot, PlanConfig(available=200), ANALYZE)
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        show_plan(plans, console)
    text = capture.get()
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for row in plans[0].rows:
        assert row.verdict is not None and f"{row.verdict:,}" in text
        for needed in row.needed.values():
            assert f"{needed:,}" in text
    assert plans[0].advice in " ".join(text.split())
    assert "2.09" in text


def test_the_figure_is_drawn_for_one_family_and_for_two(pilot, tmp_path):
    plans = run_plan(pilot, PlanConfig(), ANALYZE)
    with svg_alone():
        path = save_plan_figure(plans, tmp_path)
        assert save_plan_figure(plans * 2, tmp_path / "two").stat().st_size > 1000
    assert path == tmp_path / "figures" / "plan.svg"
    texts = ElementTree.parse(path).getroot().iter("{http://www.w3.org/2000/svg}text")
    said = [element.text for element in texts]
    assert "problems" in said and "margin, 3 points" in said and "change of the gap" in said
    assert not math.isnan(plans[0].detectable["gap"][1][0])


def drawn(rng, between, within, problems=40, replicates=2):
    """A pilot's contrast of that many problems and replicates, by the normal law."""
    true = rng.normal(0.2, np.sqrt(between), problems)
    runs = true[:, None] + rng.normal(0, np.sqrt(within), (problems, replicates))
    noise = runs.var(axis=1, ddof=1) / replicates
    return measure(Statistic(runs.mean(axis=1), noise, replicates, -1.0, 1.0))


@pytest.mark.parametrize("replicates", [1, 2, 16])
@pytest.mark.parametrize("between", [0.01, 0.1])
def test_the_cautious_deviation_covers_the_true_one_at_any_replicates(between, replicates):
    rng = np.random.default_rng(3)
    true = np.sqrt(between + 0.2 / replicates)
    above = [drawn(rng, between, 0.2).at(replicates, careful=True) > true for _ in range(600)]
    assert np.mean(above) > 0.75


def test_a_truncated_variance_makes_no_promise_of_few_problems():
    """Between problems the pilot saw less than its noise: replicates must not look free."""
    rng = np.random.default_rng(0)
    found = next(m for m in (drawn(rng, 0.02, 0.3) for _ in range(200)) if m.truncated)
    pilot = Pilot("toy", 8, {"gap": found})
    plan = make_plan(pilot, PlanConfig(gap=0.2), ANALYZE)
    rows = {row.replicates: row for row in plan.rows}
    ratios = {r: (row.careful or 0) / (row.verdict or 1) for r, row in rows.items()}
    assert ratios[16] > 2.5 and 1 < ratios[1] < 2
    assert any("read as 0" in warning for warning in plan.warnings)
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        show_plan([plan], console)
    assert f"({rows[16].careful:,})" in capture.get()


def test_more_replicates_than_the_pilot_had_are_pointed_out():
    rng = np.random.default_rng(0)
    pilot = Pilot("toy", 8, {"gap": drawn(rng, 0.05, 0.9, problems=400)})
    plan = make_plan(pilot, PlanConfig(gap=0.2, available=3000), ANALYZE)
    assert any("more than the pilot's 2" in warning for warning in plan.warnings)
    wide = drawn(rng, 0.2, 0.01, problems=400)
    plan = make_plan(Pilot("toy", 8, {"gap": wide}), PlanConfig(gap=0.2), ANALYZE)
    assert not any("pilot's 2" in warning for warning in plan.warnings)
