"""What is expected on given problems, against many chains drawn on them."""

import numpy as np
import pytest

from analysis.votes import chain_votes
from benchmarks import scripted_studies as scripted
from benchmarks.expected import expected_gap, fixed_truth
from benchmarks.scripted_studies import CAUSES

ABILITY = np.array([0.1, 0.35, 0.6, 0.9])
CHAINS = 20_000


def drawn_gap(model, primary):
    """[problem] means and standard errors over chains."""
    rng = np.random.default_rng(0)
    parallel, sequential = (
        scripted.draw_answers(rng, model, ABILITY, arm, CHAINS) for arm in scripted.PAIR
    )
    right = voted(sequential) if primary == "majority" else sequential[:, :, -1] == 0
    difference = voted(parallel) - right
    return difference.mean(axis=1), difference.std(axis=1) / np.sqrt(CHAINS)


def voted(codes):
    flat = codes.reshape(-1, codes.shape[2])
    return chain_votes(flat, (flat == 0).astype(float))[:, -1].reshape(codes.shape[:2])


@pytest.mark.parametrize("cause", CAUSES)
def test_the_expected_gap_is_the_mean_of_many_chains(cause):
    planted = CAUSES[cause]
    mean, error = drawn_gap(planted.base, planted.primary)
    expected = expected_gap(planted.base, ABILITY, planted.primary)
    assert (abs(mean - expected) < 4.5 * error + 1e-12).all()


def test_without_a_cause_nothing_is_expected():
    assert fixed_truth(CAUSES["none"], ABILITY) == pytest.approx({"gap": 0, "did": 0}, abs=1e-12)
