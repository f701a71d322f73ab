import json

import pytest

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import load_problems
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
