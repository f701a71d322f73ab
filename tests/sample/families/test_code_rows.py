import json

import pytest

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import load_problems
from sample.provenance import problems_hash
from sample.sandbox import Limits

ROW = {"question": "Double it.", "entry": "f", "tests": [{"args": [1], "expected": 2}]}


@pytest.fixture
def load(tmp_path):
    """The problems that rows make; options beside the grader are those of the test."""

    def problems(*rows, **options):
        path = tmp_path / "mine.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        config = ProblemConfig(str(path), "file", {"grader": "code", **options})
        return load_problems("mine", config)

    return problems


def refused(load, *rows, **options):
    with pytest.raises(UsageError) as error:
        load(*rows, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_row_may_set_limits(load):
    for limits in ({"cpu": 0.5, "memory": 100}, '{"cpu": 0.5, "memory": 100}'):
        (problem,) = load({**ROW, "limits": limits})
        assert Limits(**problem.metadata["limits"]) == Limits(cpu=0.5, memory=100)
    (named,) = load({**ROW, "time": {"cpu": 9, "wall": None}}, columns={"limits": "time"})
    assert named.metadata["limits"] == {"cpu": 9}
    assert "limits" not in load({**ROW, "limits": None})[0].metadata


@pytest.mark.parametrize(
    "limits", ["5", 5, "{", [1], {"cpus": 5}, {"cpu": "5"}, {"cpu": 0}, {"memory": 0.5}]
)
def test_limits_that_are_none_are_refused(load, limits):
    told = refused(load, ROW, {**ROW, "question": "Again.", "limits": limits})
    assert "mine.jsonl, line 2" in told and "column 'limits'" in told and "cpu, wall" in told


def test_changed_tests_change_the_hash_of_the_set_but_not_the_ids(load):
    tests = [{"args": [1], "expected": 3}]
    changes = ({"tests": tests}, {"entry": "g"}, {"given": "import re"}, {"limits": {"cpu": 9}},
               {"public_tests": tests})  # fmt: skip
    sets = [load({**ROW, **change}) for change in ({}, *changes)]
    assert len({problems_hash(problems) for problems in sets}) == len(sets)
    assert len({problem.id for problems in sets for problem in problems}) == 1
    assert problems_hash(load(ROW)) == problems_hash(sets[0])


def test_where_a_gold_answer_stands_for_the_tests_the_id_is_all():
    for task, source in (("chain_sum", "reasoning_gym"), ("compositions", "python_functions")):
        (problem,) = load_problems("x", ProblemConfig(task, source, count=1))
        assert problem.content == problem.id


@pytest.mark.parametrize(
    "change,words",
    [
        ({"tests": 5}, "column 'tests': expected a list of tests (given: 5)"),
        ({"tests": {"a": 1}}, "column 'tests': expected a list of tests (given: {'a': 1})"),
        ({"tests": "nonsense"}, "column 'tests': expected a list of tests (given: 'nonsense')"),
        ({"tests": "[" * 100_000}, "nested too deep"),
        ({"tests": [{"args": 5, "expected": 1}]}, "column 'tests': expected a list under 'args'"),
        ({"tests": [{"input": 5, "output": "1"}]}, "column 'tests': expected text under 'input'"),
        ({"tests": [{"args": [5]}]}, "column 'tests': a test is a statement, or has args and"),
        ({"public_tests": ["assert f(1"]}, "column 'public_tests': this is no Python: 'assert"),
        ({"tests": ["assert f(1)"], "setup": "import"}, "column 'tests': this is no Python: 'imp"),
        ({"entry": None}, "the tests call a function, and no column 'entry' names it"),
        ({"entry": "", "tests": ["assert f(1)"]}, "no column 'entry' names it"),
        (
            {
                "entry": "",
                "tests": [{"input": "1", "output": "1"}],
                "public_tests": ["assert f(1)"],
            },
            "no column 'entry' names it",
        ),
        ({"limits": {"memory": 10**16}}, "column 'limits': expected numbers above 0"),
        ({"tests": []}, "no tests"),
    ],
)
def test_malformed_tests_are_refused_by_file_row_and_column(load, change, words):
    told = refused(load, ROW, {**ROW, "question": "Again.", **change})
    assert told.startswith("problems.mine: ") and "mine.jsonl, line 2: " in told
    assert words in told


def test_a_program_that_reads_and_prints_has_no_entry(load):
    tests = [{"input": "1", "output": "2"}]
    (problem,) = load({"question": "Double it.", "tests": tests})
    assert problem.metadata["entry"] is None
    assert problem.metadata["hidden"] == {"runs": [["1", "2"]]}


def lcb(**change):
    cases = json.dumps([{"testtype": "stdin", "input": "1", "output": "1"}])
    row = {"question_content": "q", "starter_code": "", "metadata": "{}"}
    return {**row, "public_test_cases": cases, "private_test_cases": cases, **change}


def functional(given, expected):
    return json.dumps([{"testtype": "functional", "input": given, "output": expected}])


@pytest.mark.parametrize(
    "change,words",
    [
        ({"metadata": "[1]"}, "column 'metadata': not a JSON object: '[1]'"),
        ({"metadata": "{"}, "column 'metadata': not a JSON object: '{'"),
        ({"metadata": '{"func_name": 5}'}, "column 'metadata': func_name is not text"),
        ({"private_test_cases": functional(5, "2")}, "column 'private_test_cases': not a list of"),
        ({"private_test_cases": functional("1", 2)}, "column 'private_test_cases': not a list of"),
        ({"public_test_cases": "5"}, "column 'public_test_cases': not a list of test cases: 5"),
        ({"private_test_cases": "[" * 100_000}, "nested too deep"),
        ({"private_test_cases": functional("1", "2")}, "all of one kind"),
        (
            {"public_test_cases": "[]", "private_test_cases": functional("1", "2")},
            "the tests call a function, and no func_name in metadata names it",
        ),
    ],
)
def test_malformed_rows_of_livecodebench_are_refused_in_one_line(load, change, words):
    assert words in refused(load, lcb(**change), layout="livecodebench")
    (problem,) = load(lcb(), layout="livecodebench")
    assert problem.metadata["hidden"] == {"runs": [["1", "1"], ["1", "1"]]}
