import numpy as np
import pytest

from analysis.config import AnalysisConfig
from analysis.intervals import interval
from analysis.statistic import Statistic
from analysis.verdict import judge, judge_model, terms_of

CONFIG = terms_of(AnalysisConfig(margin=0.03))
NO_CHANGE = (0.0, 0.2)


def vector(mean, sd=0.2, n=1000, seed=0, within=None) -> Statistic:
    """A contrast with exactly this mean and standard deviation over problems."""
    z = np.random.default_rng(seed).normal(size=n)
    z = (z - z.mean()) / z.std(ddof=1)
    noise = np.full(n, np.nan if within is None else within)
    return Statistic(mean + sd * z, noise, 2, -1.0, 1.0)


def verdict(base, adapted, change=NO_CHANGE, config=CONFIG, **options):
    return judge(
        vector(*base), vector(*adapted, seed=1), vector(*change, seed=2), config, **options
    )


@pytest.mark.parametrize(
    ("base", "adapted", "change", "expected", "asked"),
    [
        ((0.001,), (0.0,), NO_CHANGE, "NO_GAP", 1),
        ((0.025,), (0.0,), NO_CHANGE, "NO_GAP", 1),
        ((-0.1,), (0.0,), NO_CHANGE, "NO_GAP", 1),
        ((0.1,), (0.1,), NO_CHANGE, "NOT_SHOWN", 2),
        ((0.1,), (0.2,), NO_CHANGE, "NOT_SHOWN", 2),
        ((0.1,), (0.05,), NO_CHANGE, "NARROWED", 3),
        ((0.1,), (0.025,), NO_CHANGE, "NARROWED", 3),
        ((0.1,), (0.0,), (-0.1,), "CLOSED_BY_DAMAGE", 4),
        ((0.1,), (0.0,), (-0.025,), "CLOSED_BY_DAMAGE", 4),
        ((0.1,), (0.0,), NO_CHANGE, "CLOSED", 4),
        ((0.1,), (-0.1,), (0.1,), "CLOSED", 4),
    ],
)
def test_the_first_failed_step_names_the_verdict(base, adapted, change, expected, asked):
    found = verdict(base, adapted, change)
    assert found.verdict == expected
    assert [s.passed is not None for s in found.steps] == [i < asked for i in range(4)]
    assert all(s.passed for s in found.steps[: asked - 1])
    assert "\n" not in found.reason and found.reason.endswith(".")


def test_bounds_are_two_sided_for_existence_and_one_sided_for_closure():
    base, adapted, change = vector(0.1), vector(0.01, seed=1), vector(0.0, seed=2)
    steps = judge(base, adapted, change, CONFIG).steps
    assert steps[0].bound == pytest.approx(interval(base, 0.05).low)
    assert steps[1].bound == pytest.approx(interval(base - adapted, 0.05).low)
    assert steps[2].bound == pytest.approx(interval(adapted, 0.10).high)
    assert steps[3].bound == pytest.approx(interval(change, 0.10).low)
    assert [s.threshold for s in steps] == [0, 0, 0.03, -0.03]


def test_a_negative_control_is_said_to_have_no_gap():
    found = judge_model(vector(0.002), CONFIG)
    assert found.verdict == "NO_GAP"
    assert found.reason == (
        "No gap to close: parallel minus sequential is 0.2 points (95 % interval -1.0 to 1.4, "
        "1000 problems), not shown to be above 0, and below the margin of 3.0 points."
    )
    assert "below the margin" not in judge_model(vector(0.02, n=30), CONFIG).reason
    assert "sequential is ahead" in judge_model(vector(-0.1), CONFIG).reason
    assert "less than the margin of 3.0 points." in judge_model(vector(0.025), CONFIG).reason
    assert judge_model(vector(0.1), CONFIG).verdict == "GAP"


def test_a_small_gap_whose_change_is_not_shown_is_said_so():
    found = verdict((0.032,), (0.016,))
    assert found.verdict == "NOT_SHOWN"
    assert found.reason.startswith("The gap is within the margin")
    assert "The gap grew" in verdict((0.1,), (0.2,)).reason


def test_closed_is_never_said_of_settings_chosen_after_sampling():
    found = verdict((0.1,), (0.0,), registered=False)
    assert found.verdict == "NARROWED"
    assert "not fixed before sampling" in found.reason


def test_the_fixed_estimand_decides_by_replicate_noise():
    base, adapted = vector(0.1, 0.2, 30, 0, 0.001), vector(0.0, 0.2, 30, 1, 0.001)
    change = vector(0.0, 0.2, 30, 2, 0.001)
    assert judge(base, adapted, change, CONFIG).verdict != "CLOSED"
    fixed = terms_of(AnalysisConfig(estimand="fixed"))
    assert judge(base, adapted, change, fixed).verdict == "CLOSED"


def test_closed_holds_its_level_where_the_gap_left_is_the_margin():
    rng = np.random.default_rng(7)
    closed = 0
    for _ in range(800):
        base = Statistic(rng.normal(0.3, 0.2, 200), np.full(200, np.nan), 1, -1.0, 1.0)
        left = Statistic(rng.normal(0.03, 0.2, 200), np.full(200, np.nan), 1, -1.0, 1.0)
        kept = Statistic(rng.normal(0.1, 0.2, 200), np.full(200, np.nan), 1, -1.0, 1.0)
        closed += judge(base, left, kept, CONFIG).verdict == "CLOSED"
    assert 20 <= closed <= 62  # 40 expected, 3.5 standard errors


def test_damage_holds_its_level_where_the_loss_is_the_margin():
    rng = np.random.default_rng(8)
    closed = 0
    for _ in range(800):
        base = Statistic(rng.normal(0.3, 0.2, 200), np.full(200, np.nan), 1, -1.0, 1.0)
        left = Statistic(rng.normal(-0.1, 0.2, 200), np.full(200, np.nan), 1, -1.0, 1.0)
        kept = Statistic(rng.normal(-0.03, 0.2, 200), np.full(200, np.nan), 1, -1.0, 1.0)
        closed += judge(base, left, kept, CONFIG).verdict == "CLOSED"
    assert 20 <= closed <= 62


def same(value, n, replicates=2) -> Statistic:
    return Statistic(np.full(n, value), np.zeros(n), replicates, -1.0, 1.0)


@pytest.mark.parametrize(
    ("estimand", "few"), [("fixed", "NOT_SHOWN"), ("superpopulation", "NO_GAP")]
)
def test_outcomes_without_any_noise_close_a_gap_only_with_many_problems(estimand, few):
    terms = terms_of(AnalysisConfig(margin=0.03, estimand=estimand))
    verdicts = {n: judge(same(1.0, n), same(0.0, n), same(0.0, n), terms).verdict for n in (3, 300)}
    assert verdicts == {3: few, 300: "CLOSED"}
