import pytest

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import load_problems
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
                                                      count=60, seed=seed))
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
