"""The law drawn as arrays is the law of the engine, and its truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.study import build_study
from analysis.table import arrange, build_table
from benchmarks import scripted_studies as scripted
from benchmarks.scripted_studies import ARMS, CAUSES, FAMILY, STEPS, SYSTEMS
from sample.engines.scripted import abilities, chance

PROBLEMS, REPLICATES = 40, 8
PLANTED = CAUSES["mixture"]


@pytest.fixture(scope="module")
def made():
    (study,) = scripted.make_studies(PLANTED, 1, PROBLEMS, REPLICATES, seed=5)
    return study


@pytest.fixture(scope="module")
def both(made):
    """One study by the engine, and one drawn on problems of the same abilities."""
    known = sorted({attempt.problem for attempt in made})
    ability = np.array([abilities(PLANTED.base, dict.fromkeys(known))[p] for p in known])
    rng = np.random.default_rng(0)
    rows = {
        (FAMILY, system, arm): scripted.draw_rows(rng, model, ability, arm, REPLICATES)
        for system, (model, arms) in PLANTED.arms().items()
        for arm in arms
    }
    tables = build_table(made, STEPS), arrange(rows, {FAMILY: known})
    return [build_study(t, FAMILY, SYSTEMS, "base", "last", explored=False) for t in tables]


def test_studies_cut_from_one_run_share_no_problem_and_are_whole():
    cut = scripted.make_studies(PLANTED, 3, 2, 1, seed=5)
    problems = [{attempt.problem for attempt in study} for study in cut]
    assert [len(some) for some in problems] == [2, 2, 2] and len(set.union(*problems)) == 6
    assert all(len(study) == 2 * (len(ARMS) + 2) * STEPS for study in cut)


def test_a_study_on_a_pool_has_the_attempts_of_its_problems_there():
    pool = scripted.make_pool(PLANTED, 12, 2, seed=5)
    study, known = scripted.draw_from(np.random.default_rng(0), pool, 40)
    assert len(set(known)) < len(known) == len(study.problems[FAMILY]) == 40
    place = {problem: i for i, problem in enumerate(pool.problems[FAMILY])}
    for key, cell in study.cells.items():
        for i, problem in enumerate(known):
            there = pool.cells[key]
            assert (cell.answer[i] == there.answer[place[problem]]).all()
            assert (cell.tokens["prompt"][i] == there.tokens["prompt"][place[problem]]).all()


def agree(one, other):
    """Paired over problems; 4.5 standard errors are passed once in 150,000 times."""
    difference = one - other
    difference = difference[~np.isnan(difference)]
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return abs(difference.mean()) <= 4.5 * error + 1e-12


def test_drawn_and_made_studies_agree_in_every_level_and_curve(both):
    engine, drawn = both
    assert list(engine.cells) == list(drawn.cells) and len(engine.cells) == 6
    for key, cell in engine.cells.items():
        for name, level in cell.levels.items():
            assert agree(level.values, drawn.cells[key].levels[name].values), (key, name)
        for name, curve in cell.curves.items():
            for step in range(STEPS):
                other = drawn.cells[key].curves[name][:, step]
                assert agree(curve[:, step], other), (key, name, step)


def test_drawn_and_made_studies_have_the_same_tokens(both):
    engine, drawn = both
    for key, cell in engine.raw.items():
        for kind in ("prompt", "cached", "answer"):
            assert (cell.tokens[kind] == drawn.raw[key].tokens[kind]).all(), (key, kind)
        thinking = (study.raw[key].tokens["thinking"].mean(axis=(1, 2)) for study in both)
        assert agree(*thinking)


def test_the_chance_of_a_fresh_attempt_is_the_engines():
    ability = np.array([0.05, 0.4, 0.97])
    for arm in ARMS:
        for step in (0, 3):
            tokens = scripted.prompt_tokens()[arm][step]
            shown = step > 0 and arm in ("sequential", "last_answer")
            expected = [chance(PLANTED.base, p, tokens, shown) for p in ability]
            assert scripted.chances(PLANTED.base, ability, arm, step) == pytest.approx(expected)


def test_the_gap_of_coverage_is_known_exactly():
    model = replace(PLANTED.base, reuse=0.3)
    planted = replace(PLANTED, base=model)
    rng = np.random.default_rng(1)
    ability = scripted.draw_abilities(rng, model, 5_000)
    table = scripted.draw_study(rng, planted, ability, 1)
    study = build_study(table, FAMILY, SYSTEMS, "base", "coverage", explored=False)
    gap = study.contrasts["gap", "base", "coverage"].values
    assert agree(gap, np.full(len(gap), scripted.coverage_gap(model)))


def test_an_adapter_at_the_margin_leaves_the_margin():
    left = {
        name: scripted.coverage_gap(planted.adapted)
        for name, planted in scripted.adapters(0.03).items()
    }
    assert left["at the margin"] == pytest.approx(0.03, abs=1e-9)
    assert left["closed"] == pytest.approx(0, abs=1e-12) and left["unchanged"] > 0.1
