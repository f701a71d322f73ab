import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from sample.config import ProblemConfig
from sample.engines.base import Decoding
from sample.engines.loading import load_model
from sample.errors import UsageError
from sample.models import TransformersModel
from train.adapter import last_checkpoint, train_adapter
from train.config import TrainConfig
from train.method_config import HistoryConfig, MethodConfig, RewardConfig
from train.metrics import MetricsLog
from train.rollouts import Rollouts
from train.sft import check_drawn, warn_of_epochs
from train.task import Task
from train.watch import PATIENCE

CONFIG = TrainConfig(
    methods={
        "diverse": MethodConfig(rewards={"sum": RewardConfig("distinct", 1.0)}),
        "single": MethodConfig(histories=False),
    },
    steps=5,
    groups=4,
    group_size=4,
    batch=8,
    refresh=2,
    lora_rank=8,
    problem_count=20,
)
DECODING = Decoding(max_new_tokens=6)


@pytest.fixture
def train(model_config, problems):
    def run(folder: Path, method: str = "diverse", config: TrainConfig = CONFIG, **changes):
        settings = {"decoding": DECODING, "attempts": 4, "seed": 0, "run_seed": 1, **changes}
        task = Task(model_config, problems, config=config, method=method, **settings)
        train_adapter(task, folder)

    return run


def lines(folder: Path) -> list[dict[str, object]]:
    read = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in read]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def killed_after(step: int):
    original = MetricsLog.on_log

    def on_log(self, args, state, control, logs=None, **kwargs):
        original(self, args, state, control, logs=logs, **kwargs)
        if state.global_step == step:
            raise KeyboardInterrupt

    return on_log


@pytest.mark.smoke
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(train, tmp_path, monkeypatch):
    reward = RewardConfig("distinct", 1.0, measure="embedding")
    config = replace(CONFIG, methods={"diverse": MethodConfig(rewards={"sum": reward})})
    train(tmp_path / "whole", config=config)
    with monkeypatch.context() as patch:
        patch.setattr(MetricsLog, "on_log", killed_after(4))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "killed", config=config)
    # Killed between the log of step 4 and its checkpoint: two steps are made once more.
    assert last_checkpoint(tmp_path / "killed" / "checkpoints").name == "checkpoint-2"
    assert len(lines(tmp_path / "killed")) == 4
    train(tmp_path / "killed", config=config)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert lines(tmp_path / "whole") == lines(tmp_path / "killed")
    assert [line["step"] for line in lines(tmp_path / "whole")] == [1, 2, 3, 4, 5]


@pytest.mark.smoke
def test_the_adapter_loads_in_plain_peft_and_changes_the_model(train, tmp_path, model_folder):
    train(tmp_path / "a")
    base = load_model(str(model_folder))
    prompt = torch.tensor([[2, 5, 6, 7, 3]])
    before = base(prompt).logits
    adapted = PeftModel.from_pretrained(load_model(str(model_folder)), str(tmp_path / "a"))
    assert not torch.allclose(before, adapted(prompt).logits)
    trained = {name.split(".")[-3] for name in weights(tmp_path / "a")}
    assert trained == {f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")}
    assert not (tmp_path / "a" / "checkpoints").exists()
    assert list((tmp_path / "a" / "tensorboard").iterdir())


def test_a_finished_adapter_is_left_alone_and_other_settings_are_refused(train, tmp_path):
    train(tmp_path, "single")

    def written():
        files = ("adapter_model.safetensors", "training.json")
        return [(tmp_path / name).stat().st_mtime_ns for name in files]

    before = written()
    train(tmp_path, "single", config=replace(CONFIG, batch=16, seeds=(0, 1)))
    assert written() == before
    with pytest.raises(UsageError, match="begun with another train"):
        train(tmp_path, "single", config=replace(CONFIG, learning_rate=1e-4))
    with pytest.raises(UsageError, match="begun with another run_seed"):
        train(tmp_path, "single", run_seed=2)
    with pytest.raises(UsageError, match="one of diverse, single"):
        train(tmp_path, "double")


@pytest.mark.smoke
def test_single_turn_training_has_no_histories_and_kl_is_logged_only_where_it_counts(
    train, tmp_path
):
    train(tmp_path / "single", "single", config=replace(CONFIG, steps=1))
    train(tmp_path / "kl", "diverse", config=replace(CONFIG, steps=4, kl=0.1))
    (single,) = lines(tmp_path / "single")
    assert {single[key] for key in ("repeat", "novelty", "kl", "depth")} == {None}
    divergence = [line["kl"] for line in lines(tmp_path / "kl")]
    # The adapter starts as the untouched model.
    assert divergence[0] == pytest.approx(0, abs=1e-6) and divergence[-1] > 1e-6


def test_rewards_and_bonus_of_every_kind_train_and_log_their_parts(train, tmp_path):
    reward = RewardConfig("coverage", 1.0, k=2, unlikely=0.25, crowding=0.5, repetition=0.5,
                          length=0.2)  # fmt: skip
    config = replace(CONFIG, steps=2, methods={
        "all": MethodConfig(HistoryConfig(depths=(0, 1, 1)), {"sum": reward}, set={"entropy": 0.1})
    })  # fmt: skip
    train(tmp_path, "all", config=config)
    for line in lines(tmp_path):
        parts = [
            line[f"paid_{p}"] for p in ("quality", "novelty", "crowding", "repetition", "length")
        ]
        assert line["reward"] == pytest.approx(sum(parts), abs=1e-5)
        assert line["repeat"] is not None
        assert 0.75 <= (line["unlikely"] or 0.75) < 1 <= line["depth"] <= 2
    assert json.loads((tmp_path / "training.json").read_text())["train"]["entropy"] == 0.1


@pytest.mark.smoke
def test_novelty_by_embedding_trains_on_the_embedded_model(tmp_path):
    """Without a gate some answers of every step are paid, none of them in full."""
    anchored = str(Path(__file__).parents[2] / "models" / "anchored")
    options = {"min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
               "min_target": 10, "max_target": 99}  # fmt: skip
    reward = RewardConfig(novelty=1.0, gate="none", measure="embedding")
    method = MethodConfig(HistoryConfig(depths=(0, 1, 1)), {"countdown": reward})
    config = replace(CONFIG, steps=2, groups=8, methods={"embedding": method})
    given = (
        TransformersModel(anchored), {"countdown": ProblemConfig("countdown", options=options)},
        Decoding(max_new_tokens=48), 3,
    )  # fmt: skip
    train_adapter(Task(*given, config, "embedding", 0, 0), tmp_path)
    for line in lines(tmp_path):
        assert 0 < line["paid_novelty"] == pytest.approx(line["novelty"])
        assert line["novelty"] < line["valid"]
        assert line["reward"] == pytest.approx(line["paid_quality"] + line["paid_novelty"])
    settings = json.loads((tmp_path / "training.json").read_text())
    assert settings["method"]["rewards"]["countdown"]["measure"] == "embedding"
    other = replace(config, encoder=anchored)
    with pytest.raises(UsageError, match="begun with another train"):
        train_adapter(Task(*given, other, "embedding", 0, 0), tmp_path)


def test_settings_do_not_name_what_came_later_and_is_not_used(train, tmp_path):
    """Else no adapter begun before could be gone on with."""
    embedding = MethodConfig(rewards={"sum": RewardConfig(novelty=1.0, measure="embedding")})
    diverse = replace(CONFIG.methods["diverse"], histories=HistoryConfig((1, 1)))
    methods = {"diverse": diverse, "embedding": embedding}
    train(tmp_path, config=replace(CONFIG, steps=1, methods=methods, encoder="elsewhere"))
    settings = json.loads((tmp_path / "training.json").read_text())
    assert set(settings["method"]["rewards"]["sum"]) == {
        "quality", "novelty", "gate", "k", "unlikely", "crowding", "repetition", "length"
    }  # fmt: skip
    assert set(settings["method"]["histories"]) == {"depths", "base", "solved", "replay"}
    assert not {"families", "encoder", "baseline"} & {*settings["method"], *settings["train"]}


@pytest.mark.smoke
@pytest.mark.parametrize("learn", ["correct", "new"])
def test_fine_tuning_goes_on_where_it_was_killed(learn, train, tmp_path, monkeypatch):
    sft = replace(CONFIG, methods={"sft": MethodConfig(algorithm="sft", learn=learn)}, steps=4)
    train(tmp_path / "whole", "sft", config=sft)
    original, calls = Rollouts.roll, []

    def roll(self, step, *rest):
        calls.append(step)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, step, *rest)

    monkeypatch.setattr(Rollouts, "roll", roll)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", "sft", config=sft)
    train(tmp_path / "killed", "sft", config=sft)
    # What was drawn since the last refresh is drawn again, as its histories are not kept.
    assert calls == [0, 1, 2, 3, 2, 3]
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    logged = lines(tmp_path / "whole")
    assert [line["step"] for line in logged] == [1, 2, 3, 4] and logged == lines(
        tmp_path / "killed"
    )
    assert all(line["accuracy"] == line["reward"] and line["loss"] > 0 for line in logged)
    assert all((line["depth"] is None) == (learn == "new") for line in logged)
    assert any(
        weights(tmp_path / "whole")[n].any() for n in weights(tmp_path / "whole") if "_B" in n
    )


def test_rejection_sampling_without_a_correct_attempt_is_refused(train, tmp_path):
    """A token is too short for an answer with its end."""
    sft = replace(CONFIG, methods={"sft": MethodConfig(algorithm="sft")}, steps=2)
    with (
        pytest.warns(UserWarning, match=r"the first step has nothing .* well-formed"),
        pytest.raises(UsageError, match=r"2 steps .* nothing to fine-tune on; hardly any"),
    ):
        train(tmp_path, "sft", config=sft, decoding=Decoding(max_new_tokens=1))


def drawn(*examples, valid=0.9):
    return [{"examples": some, "numbers": {"valid": valid}} for some in examples]


def test_drawing_for_rejection_sampling_ends_when_nothing_is_found_for_long():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for lines in (drawn(), drawn([], []), drawn(*[[]] * PATIENCE, [([1], [2])])):
            check_drawn(lines, 50)
    with pytest.warns(UserWarning, match="first step .*: take easier"):
        check_drawn(drawn([]), 50)
    with pytest.raises(UsageError, match=f"first {PATIENCE} steps is correct.*: take easier"):
        check_drawn(drawn(*[[]] * PATIENCE), 50)


def test_attempts_that_are_learned_by_heart_are_said():
    with pytest.warns(UserWarning, match="60 steps go 20 times over the 3 attempts"):
        warn_of_epochs(3, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_epochs(40, 60)


def test_a_torn_checkpoint_is_deleted_and_the_whole_one_before_it_taken(tmp_path):
    assert last_checkpoint(tmp_path / "absent") is None
    for step in (2, 10, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (2, 10):
        state = tmp_path / f"checkpoint-{step}" / "trainer_state.json"
        state.write_text(json.dumps({"global_step": step}))
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert not (tmp_path / "checkpoint-12").exists()
