"""Groups held to the untouched model in their own way, and rewards as they are."""

import json
from dataclasses import replace

import pytest
import torch

from sample.engines.base import Decoding
from sample.errors import UsageError
from train.adapter import train_adapter
from train.config import TrainConfig
from train.groupwise import GroupwiseTrainer
from train.method_config import HistoryConfig, MethodConfig, RewardConfig
from train.task import Task

ANCHORED = MethodConfig(
    HistoryConfig(depths=(1, 1), anchor=1.0), {"sum": RewardConfig(novelty=1.0, gate="none")}
)
CONFIG = TrainConfig({"m": ANCHORED}, steps=3, groups=4, group_size=4, lora_rank=8, kl=0.25,
                     problem_count=20)  # fmt: skip


@pytest.fixture
def losses(model_config, problems, tmp_path, monkeypatch):
    """Train, looking at every loss: look(trainer, inputs, loss of other inputs)."""
    original = GroupwiseTrainer._compute_loss

    def run(config, look):
        def compute(self, model, inputs):
            look(self, inputs, lambda **other: original(self, model, {**inputs, **other}))
            return original(self, model, inputs)

        monkeypatch.setattr(GroupwiseTrainer, "_compute_loss", compute)
        task = Task(model_config, problems, Decoding(max_new_tokens=6), 4, config, "m", 0, 1)
        train_adapter(task, tmp_path / "adapter")
        return json.loads((tmp_path / "adapter" / "training.json").read_text())

    return run


def test_anchored_groups_have_a_kl_of_their_own_weight_and_nothing_else(losses):
    seen = []

    def look(trainer, inputs, loss):
        weights, advantages = inputs["kl_weights"], inputs["advantages"]
        first = weights == 1
        seen.extend(first.tolist())
        assert set(weights.tolist()) <= {0.25, 1.0}
        assert not advantages[first].any()
        if trainer.state.global_step == 2:
            each = torch.eye(len(weights)) * weights
            without = loss(kl_weights=0 * weights)
            parts = [loss(kl_weights=one) - without for one in each]
            assert all(part > 0 for part in parts)
            torch.testing.assert_close(sum(parts), loss(kl_weights=weights) - without)

    settings = losses(CONFIG, look)
    assert set(seen) == {True, False} and settings["method"]["histories"]["anchor"] == 1.0


def test_without_a_baseline_an_advantage_is_the_reward(losses, tmp_path):
    advantages = {}

    def look(trainer, inputs, loss):
        advantages.setdefault(trainer.state.global_step, []).extend(inputs["advantages"].tolist())

    config = replace(CONFIG, kl=0.0, methods={"m": replace(ANCHORED, baseline="none")})
    settings = losses(config, look)
    lines = (tmp_path / "adapter" / "metrics.jsonl").read_text().splitlines()
    rewards = [json.loads(line)["reward"] for line in lines]
    assert [sum(some) / 16 for some in advantages.values()] == pytest.approx(rewards)
    assert max(rewards) > 0 and settings["method"]["baseline"] == "none"


def test_no_baseline_beside_a_scale_is_refused():
    methods = {"m": MethodConfig(baseline="none")}
    with pytest.raises(UsageError, match="scale_rewards divides by a deviation"):
        TrainConfig(methods, scale_rewards="group")
    with pytest.raises(UsageError, match="one of group, none"):
        TrainConfig({"m": MethodConfig(baseline="mean")})


@pytest.mark.parametrize(
    "method,says",
    [
        (replace(ANCHORED, histories=HistoryConfig(anchor=0.0)), "above 0; leave it out"),
        (replace(ANCHORED, histories=HistoryConfig((0, 1), anchor=1.0)), "k = 0 above 0"),
        (MethodConfig(HistoryConfig(anchor=1.0), algorithm="sft"), "none with algorithm sft"),
    ],
)
def test_an_anchor_without_effect_is_refused(method, says):
    with pytest.raises(UsageError, match=says):
        TrainConfig({"m": method})
