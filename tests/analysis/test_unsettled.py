"""Attempts without an outcome: a verdict that hangs on them is not given."""

import numpy as np
import pytest
from msgspec.structs import replace
from report_files import words_alone
from simulated import attempt
from test_terminal import printed

from analysis.config import AnalysisConfig
from analysis.summary import summarize
from sample.records import Failure, Ledger

ARMS = ("parallel", "sequential")
LEFT = 0.88
"""What the adapter's sequential arm solves of its parallel arm: a gap of 6 points is left."""


@pytest.fixture(scope="module")
def study():
    """1,000 problems: the gap of the base is 25 points, that of the adapter 6."""
    rng = np.random.default_rng(0)
    share_of = {"base": (1, 0.5), "d-s0": (1, LEFT)}
    ease = {(s, arm): x for s, pair in share_of.items() for arm, x in zip(ARMS, pair, strict=True)}
    return [
        attempt(f"p{i:04}", arm, system, r, s, "1" if right else "0", bool(right))
        for (system, arm), share in ease.items()
        for i in range(1000)
        for r in range(2)
        for s in (1, 2)
        for right in [rng.random() < share * (0.2, 0.4, 0.5, 0.6, 0.8)[i % 5]]
    ]


@pytest.fixture(scope="module")
def few(study):
    return [a for a in study if a.problem < "p0300"]


def found_in(records, primary="accuracy"):
    return summarize(records, AnalysisConfig(primary={"toy": primary}, resamples=200))


def spoil(records, arm, share, right, **changes):
    """Some attempts of the adapter that were right, or wrong, get other outcomes."""
    rng = np.random.default_rng(1)
    return [
        replace(a, correct=None, **changes)
        if (a.system, a.arm, a.correct) == ("d-s0", arm, right) and rng.random() < share
        else a
        for a in records
    ]


def test_wrong_attempts_that_are_not_graded_close_no_gap(study):
    family = found_in(spoil(study, "sequential", 0.25, False))["families"]["toy"]
    adapter, unsettled = family["adapters"]["d-s0"], family["unsettled"]["d-s0"]
    # what is graded shows a closed gap, which the truth does not have
    assert all(step["passed"] for step in adapter["steps"])
    assert adapter["verdict"] == "NARROWED"
    said = f"That it is CLOSED does not hold if the {unsettled['attempts']} ungraded or failed"
    assert said in adapter["reason"] and said in adapter["withheld"]
    whole = found_in(study)["families"]["toy"]["adapters"]["d-s0"]
    assert whole["verdict"] == "NARROWED" and whole["withheld"] is None
    wrong = unsettled["cases"]["wrong"]
    assert wrong["verdict"] == "NARROWED"
    assert wrong["gap"] == pytest.approx(whole["gap_adapted"]["estimate"], abs=1e-12)
    assert wrong["did"] == pytest.approx(whole["did"]["estimate"], abs=1e-12)


def test_failed_parallel_attempts_are_not_what_closes_a_gap(study):
    failure = {"finish": "error", "failure": Failure("Timeout", "60 s"), "canonical": None}
    family = found_in(spoil(study, "parallel", 0.15, True, **failure))["families"]["toy"]
    cases = family["unsettled"]["d-s0"]["cases"]
    assert family["adapters"]["d-s0"]["verdict"] == min(
        (case["verdict"] for case in cases.values()), key=["NARROWED", "CLOSED_BY_DAMAGE"].index
    )
    assert cases["right"]["gap"] > cases["wrong"]["gap"] + 0.05
    assert cases["against_closing"]["gap"] == pytest.approx(cases["right"]["gap"], abs=1e-12)


@pytest.mark.parametrize("primary", ["coverage", "majority", "last"])
def test_a_closed_gap_survives_a_few_attempts_without_an_outcome(study, primary):
    base = {a.key[0:1] + a.key[3:]: a for a in study if (a.system, a.arm) == ("base", ARMS[0])}
    closed = [
        replace(base[a.key[0:1] + a.key[3:]], system=a.system, arm=a.arm)
        if a.system == "d-s0"
        else a
        for a in study
    ]
    family = found_in(spoil(closed, ARMS[1], 0.003, False), primary)["families"]["toy"]
    cases = family["unsettled"]["d-s0"]["cases"]
    assert family["adapters"]["d-s0"]["verdict"] == "CLOSED"
    assert {case["verdict"] for case in cases.values()} == {"CLOSED"}
    assert cases["wrong"]["gap"] > cases["right"]["gap"]
    assert family["adapters"]["d-s0"]["withheld"] is None


def test_each_model_says_what_its_gap_could_be(few):
    base = [replace(a, correct=None) if i % 2 else a for i, a in enumerate(few[:2400])]
    found = found_in(base)["families"]["toy"]["unsettled"]["base"]
    assert found["attempts"] == 1200
    gaps = {case: value["gap"] for case, value in found["cases"].items()}
    assert gaps["against_gap"] == pytest.approx(gaps["for_gap"] - 1, abs=1e-9)
    assert gaps["against_gap"] < gaps["wrong"] < gaps["for_gap"]
    assert found["cases"]["against_gap"]["verdict"] == "NO_GAP"
    assert found["cases"]["for_gap"]["verdict"] == "GAP"


def test_what_was_skipped_or_not_allowed_has_no_outcome_to_give(few):
    free = Ledger(0, 0, 0, 0, 0.0)
    unmade = {"finish": "unmade", "canonical": None, "ledger": free}
    cut = [
        replace(a, correct=None, **unmade) if a.step == 2 and a.replicate and i % 3 == 0 else a
        for i, a in enumerate(few)
    ]
    assert found_in(cut)["families"]["toy"]["unsettled"] == {}
    assert found_in(few)["families"]["toy"]["unsettled"] == {}


def test_the_line_is_printed_and_on_the_page(few, tmp_path):
    summary = found_in(spoil(few, "sequential", 0.25, False))
    sentence = summary["families"]["toy"]["unsettled"]["d-s0"]["sentence"]
    assert "ungraded or failed attempts were all wrong, all right or at their worst" in sentence
    assert sentence in " ".join(printed(summary, 100).split())
    assert sentence in words_alone(summary, tmp_path)
