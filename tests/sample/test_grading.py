import pytest

from sample.grading import grade
from sample.problems import Problem

COUNTDOWN = Problem(
    "countdown", "Make 37 of 8, 5, 3.", "8*5 - 3", "reasoning_gym", "k",
    {"task": "countdown", "entry": {"numbers": [8, 5, 3], "target": 37}},
)  # fmt: skip
CHAIN_SUM = Problem(
    "chain_sum", "1 + 2 - 7 =", "-4", "reasoning_gym", "k", {"task": "chain_sum", "entry": {}}
)


def test_any_right_expression_is_correct():
    for text in ("8*5 - 3", " 5 * 8 - 3\n", "(5*8)-3"):
        assert grade(COUNTDOWN, text).correct
    assert grade(COUNTDOWN, "8*5-3").canonical == grade(COUNTDOWN, "5 * 8 - 3").canonical


def test_wrong_but_well_formed_keeps_its_class():
    found = grade(COUNTDOWN, "8 + 5 + 3")
    assert not found.correct and found.canonical is not None


@pytest.mark.parametrize("text", ["37", "8*5", "8*5-3+0", "8*5-3 = 37", "eval('8')", "8/(5-5)-3"])
def test_malformed_is_wrong_and_has_no_class(text):
    found = grade(COUNTDOWN, text)
    assert not found.correct and found.canonical is None and found.answer == text


def test_division_by_zero_is_wrong_not_a_crash():
    zero = Problem(
        "c", "q", "x", "reasoning_gym", "k",
        {"task": "countdown", "entry": {"numbers": [8, 5, 5], "target": 8}},
    )  # fmt: skip
    assert not grade(zero, "8 / (5 - 5)").correct


def test_no_answer_has_nothing():
    found = grade(CHAIN_SUM, "  \n")
    assert (found.answer, found.canonical, found.correct) == (None, None, False)


def test_numbers_are_compared_by_value():
    for text in ("-4", "-4.0", "-04"):
        assert grade(CHAIN_SUM, text).correct
    assert grade(CHAIN_SUM, "-4.0").canonical == grade(CHAIN_SUM, "-4").canonical
    assert not grade(CHAIN_SUM, "4").correct
    assert grade(CHAIN_SUM, "nan").canonical is None
    assert grade(CHAIN_SUM, "four").canonical is None
