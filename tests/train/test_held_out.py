"""No problem of an evaluation set of the same config is trained on."""

import json
from dataclasses import replace

import pytest

from sample.config import ProblemConfig
from sample.engines.base import Decoding
from sample.errors import UsageError
from sample.graders.base import NO_ANSWER
from sample.grading import GradingError
from sample.models import TransformersModel
from sample.problems import Problem
from train.adapter import train_adapter
from train.config import TrainConfig
from train.families import trainable_families
from train.grader import Grader
from train.method_config import MethodConfig
from train.task import Task
from train.training_plan import training_plan

CONFIG = TrainConfig(
    methods={"single": MethodConfig(histories=False)}, steps=2, groups=4, problem_count=8
)


def questions(path, numbers, **options):
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in numbers]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ProblemConfig(str(path), source="file", options=options)


def task_of(problems, config=CONFIG, method="single"):
    return Task(TransformersModel("none"), problems, Decoding(), 4, config, method, 0, 1)


def planned(problems, config=CONFIG, method="single"):
    return training_plan(task_of(problems, config, method)).families


def test_shared_problems_are_left_out(tmp_path):
    mine = questions(tmp_path / "mine.jsonl", range(60), held_out=False)
    before = planned({"mine": mine})["mine"]
    shared = [int(p.answer) - 1 for p in before]
    problems = {"mine": mine, "exam": questions(tmp_path / "exam.jsonl", shared)}
    after = planned(problems)
    assert list(after) == ["mine"] and len(after["mine"]) == len(before) == 8
    assert not {p.key for p in before} & {p.key for p in after["mine"]}


def test_evaluation_sets_alone_cannot_be_trained_on(tmp_path):
    exam = questions(tmp_path / "exam.jsonl", range(9))
    with pytest.raises(UsageError, match="at least one problem set to train on"):
        train_adapter(task_of({"exam": exam}), tmp_path / "adapter")


def test_a_method_is_trained_on_its_own_families_alone(tmp_path):
    problems = {
        "mine": questions(tmp_path / "mine.jsonl", range(60), held_out=False),
        "yours": questions(tmp_path / "yours.jsonl", range(60, 120), held_out=False),
        "exam": questions(tmp_path / "exam.jsonl", range(9)),
    }

    def of(*families):
        config = replace(CONFIG, methods={"m": MethodConfig(families=families or None)})
        return planned(problems, config, "m")

    assert list(of()) == ["mine", "yours"]
    assert list(of("yours")) == ["yours"]
    assert len(of("yours")["yours"]) == 2 * len(of()["yours"])
    for other in ("ours", "exam"):
        with pytest.raises(UsageError, match=f"m.families: expected some of mine, yours .*{other}"):
            of(other)


def test_answers_are_trained_on_and_no_traces(tmp_path):
    mine = replace(questions(tmp_path / "mine.jsonl", range(9), held_out=False), graded="trace")
    exam = replace(questions(tmp_path / "exam.jsonl", range(9)), graded="trace")
    assert trainable_families({"exam": exam}, CONFIG, "single") == {}
    with pytest.raises(UsageError, match=r"problems\.mine\.graded: expected answer where it is"):
        trainable_families({"mine": mine}, CONFIG, "single")


def test_an_answer_that_cannot_be_judged_earns_nothing(monkeypatch):
    def fails(*_):
        raise GradingError("no judgement")

    monkeypatch.setattr("train.grader.grade", fails)
    problem = Problem("m", "?", "1", "math", "k")
    assert Grader({problem.id: problem})(problem, "1") == NO_ANSWER
