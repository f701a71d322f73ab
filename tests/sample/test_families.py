from dataclasses import replace

import pytest

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import load_problems, python_functions
from sample.grading import grade

SMALL = {"min_terms": 6, "max_terms": 6, "min_digits": 1, "max_digits": 1}
COUNTDOWN = {
    "min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
    "min_target": 10, "max_target": 99,
}  # fmt: skip


@pytest.mark.parametrize("task,options", [("chain_sum", SMALL), ("countdown", COUNTDOWN)])
def test_problems_are_reproducible_distinct_and_solved_by_their_own_answer(task, options):
    config = ProblemConfig(task, options=options, count=30)
    first, second = load_problems(task, config), load_problems(task, config)
    assert [p.id for p in first] == [p.id for p in second]
    assert len({p.key for p in first}) == 30
    assert all(p.split == "test" for p in first)
    assert all(grade(p, p.answer).correct for p in first)


def test_splits_share_no_problem_whatever_the_seed():
    splits = {
        split: {
            p.key
            for seed in (0, 1)
            for p in load_problems("c", ProblemConfig("countdown", options=COUNTDOWN, split=split,
                                                      count=20, seed=seed))
        }
        for split in ("train", "dev", "test")
    }  # fmt: skip
    assert not splits["train"] & splits["test"]
    assert not splits["train"] & splits["dev"]
    assert not splits["dev"] & splits["test"]


def test_a_reordered_problem_falls_into_the_same_split():
    problems = load_problems("c", ProblemConfig("countdown", options=COUNTDOWN, count=40))
    for p in problems:
        numbers, target = p.metadata["entry"]["numbers"], p.metadata["entry"]["target"]
        assert p.key == f"countdown {sorted(numbers)} {target}"


def test_too_few_different_problems_are_refused(monkeypatch):
    monkeypatch.setattr("sample.families._BARREN", 200)
    options = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
    with pytest.raises(UsageError, match=r"only \d+ different test problems"):
        load_problems("c", ProblemConfig("chain_sum", options=options, count=500))


@pytest.mark.parametrize(
    "change,word",
    [
        ({"task": "no_such_task"}, "no_such_task"),
        ({"source": "web"}, "source"),
        ({"split": "eval"}, "split"),
        ({"options": {"min_numbers": 9, "max_numbers": 3}}, "max_numbers"),
        ({"options": {"nonsense": 1}}, "nonsense"),
        ({"options": {**COUNTDOWN, "max_value": 1, "max_target": 10}}, "valid"),
    ],
)
def test_bad_config_is_one_line_that_names_the_thing(change, word):
    with pytest.raises(UsageError, match=word) as error:
        load_problems("c", ProblemConfig(**{"task": "countdown", "options": COUNTDOWN, **change}))
    assert "\n" not in str(error.value)


# --- python functions

FUNCTIONS = ProblemConfig("compositions", source="python_functions", count=40)


def test_functions_are_reproducible_distinct_and_solved_by_their_own_answer():
    first, second = load_problems("f", FUNCTIONS), load_problems("f", FUNCTIONS)
    assert [p.id for p in first] == [p.id for p in second]
    assert len({p.key for p in first}) == 40 and {p.split for p in first} == {"test"}
    for problem in first:
        function = eval(program_body(problem.answer))
        assert all(function(x) == y for (x,), y in problem.metadata["hidden"]["calls"])
        calls = problem.metadata["public"]["calls"]
        assert all(function(x) == y for (x,), y in calls)
        inputs = " ".join(str(x) for (x,), _ in calls)
        values = " ".join(str(y) for _, y in calls)
        assert problem.question.endswith(f"\nx: {inputs}\nf(x): {values}")


def program_body(answer):
    head, body = answer.split("return ")
    assert head == "def f(x): "
    return f"lambda x: {body}"


def test_functions_have_several_programs_all_right():
    for problem in load_problems("f", FUNCTIONS)[:10]:
        ways = python_functions.programs_of(problem)
        texts = {python_functions.program(way) for way in ways}
        assert len(texts) == len(ways) >= 3
        for text in texts:
            function = eval(program_body(text))
            assert all(function(x) == y for (x,), y in problem.metadata["hidden"]["calls"])


def test_many_programs_fit_the_examples_of_a_function_but_are_wrong():
    space = python_functions.program_space(3, 5)
    tempting = 0
    for problem in load_problems("f", FUNCTIONS):
        shown = [(x, y) for (x,), y in problem.metadata["public"]["calls"]]
        fitting = sum(all(outputs[x] == y for x, y in shown) for outputs in space)
        assert fitting >= 1
        tempting += fitting > 1
    assert tempting > 20


def test_functions_with_the_same_examples_in_another_order_share_their_split():
    for p in load_problems("f", FUNCTIONS):
        shown = sorted((x, y) for (x,), y in p.metadata["public"]["calls"])
        assert p.key == f"python_functions {shown}"


@pytest.mark.parametrize(
    "change,word",
    [
        ({"task": "nonsense"}, "compositions"),
        ({"options": {"steps": 9}}, "options.steps"),
        ({"options": {"examples": 0}}, "options.examples"),
        ({"options": {"exmples": 3}}, "did you mean 'examples'"),
        ({"options": {"programs": 10_000}}, "options.programs"),
    ],
)
def test_bad_options_of_functions_are_refused(change, word):
    with pytest.raises(UsageError, match=word):
        load_problems("f", replace(FUNCTIONS, **change))
