from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample.config import ProblemConfig
from sample.families import load_problems
from sample.graders.math import last_boxed
from sample.grading import GradingError, grade
from sample.problems import Problem

GSM8K = Path(__file__).parents[2] / "data" / "gsm8k_test.jsonl.gz"
ANSWERS = {
    "\\frac{1}{2}": (
        ["1/2", "0.5", "\\boxed{\\frac12}", "\\boxed{0.50}", "$\\dfrac{1}{2}$", "so $x = 1/2$"],
        ["2", "\\boxed{1/3}", "\\boxed{0.51}", "\\boxed{-\\frac{1}{2}}"],
    ),
    "x^2+2x+1": (
        ["\\boxed{(x+1)^2}", "\\boxed{1+2x+x^2}"],
        ["\\boxed{x^2+1}", "\\boxed{y^2+2y+1}"],
    ),
    "2\\sqrt{3}": (
        ["\\boxed{\\sqrt{12}}", "\\boxed{2\\sqrt3}", "\\boxed{\\frac{6}{\\sqrt{3}}}"],
        ["\\boxed{3.46}", "\\boxed{3\\sqrt{2}}"],
    ),
    "1,2": (
        ["\\boxed{2, 1}", "\\boxed{1 \\text{ and } 2}", "\\boxed{\\{1,2\\}}"],
        ["\\boxed{1}", "\\boxed{1,2,3}"],
    ),
    "\\left(3,\\frac{\\pi}{2}\\right)": (["\\boxed{(3,\\pi/2)}"], ["\\boxed{(\\pi/2,3)}"]),
    "[0,1)": (["\\boxed{[0,1)}"], ["\\boxed{(0,1)}"]),
    "\\text{Evelyn}": (
        ["\\boxed{\\text{Evelyn}}", "\\boxed{Evelyn}", "\\boxed{\\textbf{evelyn}}"],
        ["\\boxed{\\text{Carla}}", "\\boxed{Nyleve}", "\\boxed{7}"],
    ),
    "even": (["\\boxed{even}", "\\boxed{\\text{even}}"], ["\\boxed{neve}", "\\boxed{odd}"]),
    "ab": (["\\boxed{ba}", "\\boxed{a \\cdot b}"], ["\\boxed{a+b}"]),
    "1/3": (["\\boxed{\\frac13}", "\\boxed{0.333333}"], ["\\boxed{0.33}"]),
    "70": (
        [
            *("\\boxed{70^\\circ}", "\\boxed{070}", "\\boxed{70.0}", "\\fbox{70}", "$70"),
            *("The answer is 70.", "\\boxed{3}? No: \\boxed{70}", "\\boxed{70\\text{ cm}}"),
            *("\\boxed{m+n=70}", "\\boxed{70, 70}"),
        ],
        ["\\boxed{70}? No: \\boxed{3}", "\\boxed{-70}", "\\boxed{1/0}", "\\boxed{\\infty}", "71"],
    ),
}


def problem(answer):
    return Problem("m", "?", answer, "math", "k")


@pytest.mark.parametrize("gold", ANSWERS)
def test_equivalent_answers_are_right_and_of_one_class(gold):
    right, wrong = ANSWERS[gold]
    grades = [grade(problem(gold), text) for text in right]
    assert all(found.correct for found in grades)
    assert {found.canonical for found in grades} == {grades[0].canonical}
    assert grade(problem(gold), f"\\boxed{{{gold}}}").canonical == grades[0].canonical
    for text in wrong:
        found = grade(problem(gold), text)
        assert not found.correct and found.canonical not in (None, grades[0].canonical), text


@settings(max_examples=25, deadline=None)
@given(st.integers(-99, 99), st.sampled_from([1, 2, 4, 5, 8]), st.integers(-99, 99))
def test_a_fraction_is_one_answer_in_all_its_forms(top, bottom, other):
    forms = (f"\\frac{{{top}}}{{{bottom}}}", f"{top}/{bottom}", f"{top / bottom:.3f}")
    grades = [grade(problem(forms[0]), f"\\boxed{{{form}}}") for form in forms]
    assert all(found.correct for found in grades)
    assert len({found.canonical for found in grades}) == 1
    equal = top == other * bottom
    assert grade(problem(forms[0]), f"\\boxed{{{other}}}").correct == equal


@pytest.mark.parametrize("text", ["", " \n", "I do not know.", "\\boxed{}", "\\boxed{70"])
def test_without_an_answer_there_is_nothing(text):
    found = grade(problem("70"), text)
    assert (found.answer, found.canonical, found.correct) == (None, None, False)


@pytest.mark.parametrize(
    "text,content",
    [
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed {\\{1, 2\\}}.", "\\{1, 2\\}"),
        ("\\boxed{1} then \\boxed{2", "1"),
        ("none", None),
    ],
)
def test_the_last_whole_box_is_the_answer(text, content):
    assert last_boxed(text) == content


def test_a_gold_answer_that_cannot_be_read_is_an_error_not_a_wrong_answer():
    with pytest.raises(GradingError, match="gold answer"):
        grade(problem("\\text{}"), "\\boxed{1}")


@pytest.mark.slow
@pytest.mark.parametrize("text", ["\\boxed{9^{9^{9^9}}}", "\\boxed{2^{100000}!}"])
def test_an_answer_beyond_all_limits_is_not_graded(text):
    with pytest.raises(GradingError):
        grade(problem("70"), text)
    assert grade(problem("70"), "\\boxed{70}").correct


def gsm8k():
    config = ProblemConfig(str(GSM8K), source="file", options={"answer_after": "####"})
    return load_problems("gsm8k", config)


def test_every_gold_answer_of_gsm8k_is_right():
    problems = gsm8k()
    assert len(problems) == 1319
    grades = [grade(p, f"Thus the answer is ${p.answer}.") for p in problems]
    assert all(found.correct and found.canonical for found in grades)


def test_wrong_answers_to_gsm8k_are_wrong():
    problems = gsm8k()[:200]
    for asked, other in pairwise(problems):
        same = asked.answer.replace(",", "") == other.answer.replace(",", "")
        assert grade(asked, f"\\boxed{{{other.answer}}}").correct == same
