import numpy as np
import pytest

from analysis.statistic import Statistic
from analysis.stopping import decide, monitoring_order, repeated_interval
from analysis.stopping_rule import METHODS, StoppingRule
from sample.errors import UsageError

RULE = StoppingRule(600)


def gap(values) -> Statistic:
    values = np.asarray(values, dtype=float)
    return Statistic(values, np.full(len(values), np.nan), 4, -1.0, 1.0)


def draw(rng, mean, n=600, runs=4):
    """Contrasts of four runs per problem with this mean."""
    p = [0.15, 0.7 - mean, 0.15 + mean]
    return rng.choice([-1.0, 0.0, 1.0], (n, runs), p=p).mean(axis=1)


def answers(rule, mean, runs, seed):
    rng = np.random.default_rng(seed)
    found = [decide(gap(draw(rng, mean, rule.problems)), rule) for _ in range(runs)]
    assert all(d.stop for d in found)
    return found


def test_the_looks_together_keep_the_error_rate_and_save_problems():
    # with so small a margin no run ends as "within margin", which would save it from an error
    strict = StoppingRule(600, margin=1e-4)
    rejected = [d.answer is not None for d in answers(strict, 0.0, 600, 3)]
    assert 14 <= sum(rejected) <= 46  # 30 expected, 3 standard errors
    found = answers(RULE, 0.05, 200, 4)
    assert sum(d.answer == "gap" for d in found) >= 180
    assert 280 <= np.mean([d.used for d in found]) <= 450


def test_within_margin_is_said_at_most_alpha_of_the_time_at_the_margin():
    small = [d.answer in ("within margin", "small gap") for d in answers(RULE, 0.03, 600, 5)]
    assert sum(small) <= 46


def test_betting_keeps_the_error_rate_at_every_look():
    rule = StoppingRule(150, method="betting", alpha=0.1)
    wrong = [d.answer in ("gap", "reversed") for d in answers(rule, 0.0, 60, 6)]
    assert sum(wrong) <= 12
    found = answers(rule, 0.4, 10, 7)
    assert all(d.answer == "gap" and d.used < 150 for d in found)


def test_the_interval_at_the_stop_covers_what_the_estimate_overstates():
    found = answers(RULE, 0.05, 300, 8)
    assert np.mean([d.estimate for d in found]) > 0.05
    covered = sum(d.low <= 0.05 <= d.high for d in found)
    assert covered >= 274  # 285 expected at least


def test_a_look_waits_for_its_problems_and_never_reads_past_a_hole():
    values = np.full(600, 0.5)
    values[::3] = 0.9
    assert decide(gap(values[:59]), RULE).used == 0
    assert decide(gap(values[:130]), RULE).answer == "gap"
    held_up = values.copy()
    held_up[30] = np.nan
    found = decide(gap(held_up), RULE)
    assert (found.used, found.answer, found.stop) == (0, None, False)
    assert "go on" in found.sentence


def test_without_variation_the_looks_decide_nothing_but_betting_does():
    zeros = gap(np.zeros(600))
    found = decide(zeros, RULE)
    assert (found.answer, found.stop, found.used) == (None, True, 600)
    assert "no problems are left" in found.sentence
    assert decide(zeros, StoppingRule(600, 0.1, method="betting")).answer == "within margin"


def test_a_small_gap_and_a_reversed_one_are_told_apart():
    rng = np.random.default_rng(9)
    tight = rng.normal(0.015, 0.005, 600).clip(-1, 1)
    assert decide(gap(tight), RULE).answer == "small gap"
    assert decide(gap(-draw(rng, 0.2)), RULE).answer == "reversed"


def test_sizes_and_the_next_look():
    assert RULE.sizes[:2] == (60, 120) and RULE.sizes[-1] == 600
    assert RULE.next_size(60) == 120 and RULE.next_size(600) == 600
    assert StoppingRule(600, method="betting").sizes == RULE.sizes


def test_the_last_look_is_at_what_has_a_value():
    assert RULE.reached(599, complete=False)[-1] == (8, 540)
    assert RULE.reached(599, complete=True)[-1] == (9, 599)
    assert RULE.reached(540, complete=True)[-1] == (8, 540)
    assert RULE.reached(1, complete=True) == [(9, 1)]
    rest, strict = gap(draw(np.random.default_rng(1), 0.0)[:599]), StoppingRule(600, margin=1e-4)
    assert not decide(rest, strict).stop
    found = decide(rest, strict, complete=True)
    assert (found.stop, found.used, found.look) == (True, 599, 10)


def test_few_problems_that_differ_decide_nothing():
    values = np.zeros(600)
    values[:4] = 0.5
    found = decide(gap(values), StoppingRule(600, 0.1))
    assert (found.answer, found.low, found.high) == (None, -1.0, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_the_interval_of_another_contrast_covers_although_the_gap_stopped_the_run(method):
    rng, rule, covered = np.random.default_rng(11), StoppingRule(200, method=method), 0
    for _ in range(100):
        hard = draw(rng, 0.0, 200, 1)  # shared by both: what stops the one moves the other
        found = decide(gap(hard), rule)
        kept = rng.random(found.used) < 0.9
        other = gap(hard[: found.used] * kept)
        said = repeated_interval(other, rule, found.look, 0.05)
        covered += said.low <= 0 <= said.high
    assert covered >= 88  # 95 expected at least, 3 standard errors
    assert said.n == found.used and said.method == "repeated"
    whole = repeated_interval(other, rule, 0, 0.05)
    assert (whole.low, whole.high) == (-1, 1)


@pytest.mark.parametrize(
    "bad", [{"margin": 0}, {"alpha": 0.3}, {"method": "peek"}, {"looks": 0}, {"problems": 10}]
)
def test_a_rule_that_cannot_be_meant_is_refused(bad):
    with pytest.raises(UsageError, match=next(iter(bad))):
        StoppingRule(**{"problems": 600, **bad})
    assert METHODS == ("obrien-fleming", "betting")


def test_the_order_is_a_seeded_shuffle_that_knows_only_names():
    names = [f"p{i}" for i in range(50)]
    order = monitoring_order(names, 0)
    assert order == monitoring_order(reversed(names), 0) != sorted(names)
    assert order != monitoring_order(names, 1)
