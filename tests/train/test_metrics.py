import json
from dataclasses import replace

import pytest

from sample.grading import Grade
from train.groups import Group
from train.histories import Tokens
from train.method_config import MethodConfig, RewardConfig
from train.metrics import keep_steps, reward_function, step_metrics

A, B, RIGHT = Grade("a", "a", False), Grade("b", "b", False), Grade("r", "r", True)
BAD = Grade(None, None, False)
LENGTHS = (3, 3, 3, 3)
FIRST = Group("sum", (), (A, A, RIGHT, BAD), LENGTHS)
LATER = Group("sum", (A,), (A, B, RIGHT, BAD), LENGTHS)


def test_means_are_over_the_attempts_they_are_about():
    numbers = step_metrics([FIRST, LATER], MethodConfig())
    assert numbers == pytest.approx(
        {
            "accuracy": 0.25,
            "valid": 0.75,
            "distinct": 0.625,
            "novelty": 0.5,
            "repeat": 0.25,
            "solved": 0,
            "depth": 0.5,
        }
    )


def test_a_step_without_histories_has_no_novelty_and_no_repeats():
    always = {"accuracy", "valid", "distinct"}
    assert set(step_metrics([FIRST], MethodConfig())) == {*always, "depth"}
    assert set(step_metrics([FIRST], MethodConfig(histories=False))) == always


def test_the_factor_of_unlikeliness_is_of_correct_attempts():
    """The likeliest loses the whole weight; attempts that are wrong have no quality to lose."""
    method = MethodConfig(rewards={"sum": RewardConfig(unlikely=0.5)})
    likely = replace(FIRST, logps=(-3.0, -4.0, -1.0, -2.0))
    assert step_metrics([likely], method)["unlikely"] == pytest.approx(0.5)
    least = replace(FIRST, logps=(-3.0, -1.0, -4.0, -2.0))
    assert step_metrics([likely, least], method)["unlikely"] == pytest.approx((0.5 + 0.875) / 2)
    wrong = replace(likely, attempts=(A, A, B, BAD))
    assert "unlikely" not in step_metrics([wrong], method)


def test_the_reward_pays_row_by_row_and_logs_totals_of_tokens():
    logged = {}
    reward = reward_function(
        MethodConfig(rewards={"sum": RewardConfig(novelty=1.0)}), size=4, processes=2
    )
    paid = reward(
        groups=[FIRST] * 4 + [LATER] * 4, tokens=[Tokens(10, 5)] * 8, log_metric=logged.__setitem__
    )
    assert paid == [0, 0, 1, 0, 0, 1, 2, 0]
    # The trainer takes the mean over the two processes, which is to be the total.
    # Two of eight attempts are correct, two have a new answer.
    assert (logged["paid_quality"], logged["paid_novelty"]) == (0.25, 0.25)
    assert "paid_length" not in logged
    assert (logged["prompt_tokens"], logged["generated_tokens"]) == (20, 10)


def test_a_resumed_run_keeps_the_lines_up_to_its_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": step}) + "\n" for step in range(1, 6)]
    path.write_text("".join(lines) + '{"step": 6, "rew')
    keep_steps(path, 4)
    assert path.read_text() == "".join(lines[:4])
    keep_steps(tmp_path / "absent.jsonl", 0)
    assert not (tmp_path / "absent.jsonl").exists()
