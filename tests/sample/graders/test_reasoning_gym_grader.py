import pytest

from sample.config import ProblemConfig
from sample.expressions import is_formula
from sample.families import load_problems
from sample.grading import GradingError, grade
from sample.problems import Problem

TASKS = [
    *("arc_agi", "base_conversion", "basic_arithmetic", "coin_flip", "complex_arithmetic"),
    *("cryptarithm", "family_relationships", "figlet_font", "game_of_life_halting", "gcd"),
    *("gsm_symbolic", "group_anagrams", "knights_knaves", "letter_jumble", "list_functions"),
    *("mini_sudoku", "n_queens", "number_sorting", "polynomial_multiplication", "power_function"),
    *("prime_factorization", "puzzle24", "rearc", "shortest_path", "simple_integration"),
    *("spell_backward", "spiral_matrix", "string_insertion", "syllogism", "time_intervals"),
    *("word_ladder", "word_sorting"),
]
JUNK = ["zz", "[1, 2]", "{}", "nan", "1e999999999", "__import__('os').abort()", "9**9**9**9"]


def of(task, answer="", options=None, **entry):
    return Problem("f", "?", answer, "reasoning_gym", "k",
                   {"task": task, "options": options or {}, "entry": entry})  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_gold_answers_are_right_and_others_wrong(task):
    problems = load_problems(task, ProblemConfig(task, count=3))
    assert len({p.key for p in problems}) == 3
    for problem in problems:
        gold = grade(problem, problem.answer)
        assert gold.correct and gold.canonical is not None
        assert grade(problem, f"It is <answer>{problem.answer}</answer>, I think.") == gold
        spaced = problem.answer.replace("\n", " \n") + " \n"
        assert grade(problem, spaced).correct
        for text in JUNK:
            assert not grade(problem, text).correct


@pytest.mark.parametrize("task", ["boxnet", "graph_color", "propositional_logic", "rush_hour"])
def test_tasks_without_a_gold_answer_are_judged_by_their_scorer(task):
    (problem,) = load_problems(task, ProblemConfig(task, count=1))
    assert problem.answer == ""
    assert not any(grade(problem, text).correct for text in JUNK)


def test_any_right_answer_counts_where_there_are_several():
    (problem,) = load_problems("graph_color", ProblemConfig("graph_color", count=1))
    coloring = problem.metadata["entry"]["possible_answer"]
    text = str(coloring).replace("'", '"')
    text = (
        text if '"' in text else "{" + ", ".join(f'"{k}": {v}' for k, v in coloring.items()) + "}"
    )
    assert grade(problem, text).correct


@pytest.mark.parametrize(
    "problem,right,wrong",
    [
        (of("coin_flip", "0.24609375"), ["0.2461", "63/256"], ["0", "0.2", "1/0", "24%"]),
        (of("complex_arithmetic", result=(3, -2)), ["3.0 - 2.0i", "3-2i"], ["nan", "3.0", "2i-3"]),
        (of("countdown", numbers=[1000, 1, 10, 10], target=1000), ["1000*10*1/10"],
         ["1000 + 1/(10*10)", "1000", "1000/(10 - 10)*1"]),
        (of("game_of_life_halting", "True"), ["True", "true"], ["False", "yes"]),
        (of("gsm_symbolic", "5"), ["5", "5.0"], ["-5", "5 or 6"]),
        (of("number_sorting", "['1.5', '2.0']"), ["[1.5, 2]"], ["[1.9, 2.0]", "['1.5']", "7"]),
        (of("puzzle24", "6*4*1*1", numbers=[6, 4, 1, 1]), ["1*4*6*1", "(6*4)/1*1"],
         ["8*3*1*1", "6*4+1-1+0", "6*4+1/1"]),
        (of("spell_backward", "cba"), ["cba", "CBA"], ["cbax", "cb"]),
        (of("figlet_font", "ABCDEFGHIJ"), ["abcdefghij"], ["ABCDEFGHIJKL"]),
        (of("word_sorting", "a, b", sorted_words=["a", "b"]), ["a,b"], ["a, b, c"]),
    ],
)  # fmt: skip
def test_wrong_answers_that_the_library_takes_are_wrong_here(problem, right, wrong):
    assert [text for text in right if not grade(problem, text).correct] == []
    assert [text for text in wrong if grade(problem, text).correct] == []


def test_partial_credit_is_not_correct():
    problem = of("base_conversion", "101")
    found = grade(problem, "the answer is 101")
    assert not found.correct and found.canonical == "the answer is 101"


def test_a_malformed_answer_on_which_the_scorer_stumbles_is_wrong_and_has_no_class():
    found = grade(of("prime_factorization", "2 × 3"), "two and three")
    assert found.canonical is None and not found.correct


def test_a_scorer_that_refuses_its_own_gold_answer_is_an_error():
    with pytest.raises(GradingError):
        grade(of("prime_factorization", "no number"), "two")


def test_the_scorer_has_the_options_of_the_problem():
    strict = of("decimal_arithmetic", "1.23456", {"max_num_decimal_places": 5})
    loose = of("decimal_arithmetic", "1.23456", {"max_num_decimal_places": 3})
    assert not grade(strict, "1.2346").correct
    assert grade(loose, "1.2346").correct


def test_numbers_of_any_length_keep_all_their_digits():
    a, b = (grade(of("products", "1"), text).canonical for text in ("1" + "0" * 40, "1" * 41))
    assert a != b
    assert grade(of("products", "1"), "1e9999999").canonical is None


@pytest.mark.parametrize("text", ["x**2/3 + C", "-sin(2*x)", "3*exp(x)", "(x+1)*(x-1)"])
def test_formulas_reach_the_scorer(text):
    assert is_formula(text)


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "x.diff()", "f(x)", "[1]", "x if x else y", "lambda: 1", "'a'*9", "x = 1",
     "sin(x, y=1)", "1e999", "9" * 60, "(" * 500 + "x" + ")" * 500, "x\x00", "9**9**9", "9**99999"],
)  # fmt: skip
def test_code_does_not(text):
    assert not is_formula(text)
