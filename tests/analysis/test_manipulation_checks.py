import itertools

import numpy as np
import pytest

from analysis import checks
from analysis.table import TOKENS, Cell


def cell(answers, prompt=None):
    answer = np.array(answers)
    present = np.ones(answer.shape, bool)
    tokens = dict.fromkeys(TOKENS, np.full(answer.shape, np.nan))
    if prompt is not None:
        tokens["prompt"] = np.broadcast_to(np.array(prompt, float), answer.shape)
    return Cell((answer == 0).astype(float), answer, present, present - 1, tokens)


ZEROS = np.zeros((5, 2, 4), int)


def test_a_prompt_of_the_same_length_passes_and_one_that_is_short_at_one_step_does_not():
    long = cell(ZEROS, [10, 20, 30, 40])
    found = checks.has_its_length(cell(ZEROS, [10, 21, 31, 42]), long, "sequential")
    assert found.passed and found.estimate == pytest.approx(1.05)
    found = checks.has_its_length(cell(ZEROS, [10, 20, 25, 40]), long, "sequential")
    assert not found.passed and found.estimate == pytest.approx(25 / 30)
    assert checks.has_its_length(cell(ZEROS), long, "sequential").passed is None


def test_the_short_arm_must_drop_most_of_what_the_history_adds():
    short, long = cell(ZEROS, 10), cell(ZEROS, [10, 20, 30, 40])
    assert checks.is_short(cell(ZEROS, [10, 13, 14, 16]), short, long).estimate == pytest.approx(
        0.2
    )
    assert checks.is_short(cell(ZEROS, [10, 13, 14, 16]), short, long).passed
    assert not checks.is_short(cell(ZEROS, [10, 18, 28, 36]), short, long).passed
    assert checks.is_short(short, short, short).passed is None


def shares(own, seen):
    """Reference: every attempt's history, answer by answer."""
    foreign, copied, shown, later = 0, 0, 0, 0
    for problem, chain in itertools.product(range(own.shape[0]), range(own.shape[1])):
        for step in range(1, own.shape[2]):
            history = [c for c in seen[problem, chain, :step] if c >= 0]
            given = set(own[problem, chain, :step])
            foreign += sum(c not in given for c in history)
            shown += len(history)
            copied += own[problem, chain, step] in history
            later += 1
    return foreign / shown, copied / later


def test_shares_of_shown_answers_equal_a_walk_along_the_chains():
    rng = np.random.default_rng(0)
    own, seen = rng.integers(-1, 4, (30, 2, 6)), rng.integers(-1, 4, (30, 3, 6))
    foreign, copied = shares(own, seen[:, :2])
    assert checks.shows_others(cell(own), cell(seen)).estimate == pytest.approx(foreign)
    assert checks.shown_copies(cell(own), cell(seen)).mean() == pytest.approx(copied)


def test_a_swap_that_shows_the_chain_its_own_answers_fails():
    codes = np.random.default_rng(1).integers(0, 9, (20, 2, 6))
    assert not checks.shows_others(cell(codes), cell(codes)).passed
    assert checks.shows_others(cell(codes), cell(codes + 9)).estimate == 1
    assert checks.shows_others(cell(codes), cell(np.full_like(codes, -1))).passed is None
