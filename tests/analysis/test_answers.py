"""Records without answers: accuracy and coverage, and nothing that is made of answers."""

import json

import pytest
from planted import CONFIG, SYSTEMS
from simulated import attempt

from analysis.summary import summarize

ARMS = ("parallel", "sequential", "irrelevant_context", "swapped_history", "tally")
NULL = (
    *("majority", "repeat_rate", "distinct", "valid", "collision", "step_information"),
    *("repeat_after_wrong", "repeat_after_correct"),
)


def records(finish="stop", **changes):
    return [
        attempt(f"p{i}", arm, system, replicate=r, step=s, correct=(i + r + s) % 3 == 0, **values)
        for i in range(12)
        for arm in ARMS
        for system in ("base", "diverse-s0")
        for r in (0, 1)
        for s in (1, 2)
        for values in [{"canonical": None, "finish": finish, **changes}]
    ]


def test_without_answers_no_vote_repeat_or_distinct_answer_is_known(recwarn):
    found = summarize(records(), CONFIG, SYSTEMS)
    assert not [w for w in recwarn if w.category is RuntimeWarning]
    json.dumps(found, allow_nan=False)
    toy = found["families"]["toy"]
    base = toy["systems"]["base"]
    for arm in base["arms"].values():
        assert [(arm[key]["estimate"], arm[key]["n"]) for key in NULL] == [(None, 0)] * len(NULL)
        assert arm["repeat_baseline"] is arm["selection"] is arm["effective_answers"] is None
        assert arm["coverage"]["n"] == arm["accuracy"]["n"] == 12
    assert base["arms"]["parallel"]["ideal_coverage"]["estimate"] is None
    assert base["arms"]["sequential"]["last"]["n"] == 12
    assert {name: gap["n"] for name, gap in base["gaps"].items()} == {
        **{"coverage": 12, "accuracy": 12},
        **{"majority": 0, "last": 0},
    }
    said = "no attempt has an answer, so no vote, repeats or distinct answers; judged by coverage"
    assert f"toy: {said}" in found["warnings"]


@pytest.mark.parametrize("odd", ["one answer", "none ended"])
def test_attempts_that_failed_to_answer_are_known_to_have_no_answer(odd):
    some = records("stop" if odd == "one answer" else "length")
    if odd == "one answer":
        some[0] = attempt("p0", canonical="7", correct=False)
    arm = summarize(some, CONFIG)["families"]["toy"]["systems"]["base"]["arms"]["parallel"]
    assert arm["majority"]["n"] == arm["distinct"]["n"] == arm["valid"]["n"] == 12
