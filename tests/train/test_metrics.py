import json

import pytest

from sample.grading import Grade
from train.config import MethodConfig, RewardConfig
from train.groups import Group
from train.histories import Tokens
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
        }
    )


def test_a_step_without_histories_has_no_novelty_and_no_repeats():
    assert set(step_metrics([FIRST], MethodConfig())) == {"accuracy", "valid", "distinct"}


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
