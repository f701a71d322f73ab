import re
import warnings
from types import SimpleNamespace

import pytest

from sample.errors import ForageError
from train.watch import PATIENCE, FiniteLoss, Watch, likely_cause

SOUND = {"reward": 0.1, "loss": 0.1, "grad_norm": 1.0, "frac_reward_zero_std": 0.2,
         "accuracy": 0.3, "valid": 0.9, "paid_quality": 0.3}  # fmt: skip
FLAT = SOUND | {"frac_reward_zero_std": 1.0, "accuracy": 0.0}


def follow(watch, *steps):
    """Tell it of these steps, as the trainer does."""
    for number, logs in enumerate(steps, 1):
        history = [{**step, "step": n} for n, step in enumerate(steps[:number], 1)]
        watch.on_log(None, SimpleNamespace(global_step=number, log_history=history), None, logs)


def save(folder, *steps):
    for step in steps:
        (folder / f"checkpoint-{step}").mkdir()


@pytest.mark.parametrize("key", ["loss", "grad_norm"])
def test_a_loss_that_is_not_finite_stops_the_run(key, tmp_path):
    state = SimpleNamespace(global_step=3)
    finite = FiniteLoss(tmp_path)
    finite.on_log(None, state, None, logs=SOUND)
    finite.on_log(None, state, None, logs={"train_runtime": 1.0})
    bad = SOUND | {key: float("nan"), "learning_rate": 0.01}
    with pytest.raises(ForageError, match=r"step 3: .*no checkpoint yet.*learning_rate.*0\.01"):
        finite.on_log(None, state, None, logs=bad)
    save(tmp_path, 5, 10)
    with pytest.raises(ForageError, match="checkpoint-10 is sound"):
        finite.on_log(None, state, None, logs=bad)


def test_a_first_step_that_is_all_wrong_or_all_correct_is_said_at_once(tmp_path):
    for accuracy, named in ((0.0, "take easier"), (1.0, "take harder")):
        flat = FLAT | {"accuracy": accuracy}
        with pytest.warns(UserWarning, match=f"the first step .*{named}") as said:
            follow(Watch(tmp_path), *[flat] * (PATIENCE + 1))
        assert len(said) == 1


def test_equal_rewards_are_said_once_and_only_after_a_while(tmp_path):
    alike = FLAT | {"accuracy": 0.5}
    quiet = [alike] * (PATIENCE - 1) + [SOUND] + [alike] * (PATIENCE - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        follow(Watch(tmp_path), *quiet)
    with pytest.warns(UserWarning, match="a group are alike") as said:
        follow(Watch(tmp_path), *quiet, *[alike] * PATIENCE)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("accuracy", "valid", "paid", "named"),
    [
        (0, 0, 0, "well-formed"),
        (0, 1, 0, "easier"),
        (1, 1, 1, "harder problems$"),
        (0.5, 1, 0.5, "temperature"),
        (0.9, 1, 0, "lower k .* fewer histories that are solved"),
        (1, 1, 0, "lower k"),
    ],
)
def test_the_likely_cause_of_equal_rewards(accuracy, valid, paid, named):
    step = {"accuracy": accuracy, "valid": valid, "paid_quality": paid}
    assert re.search(named, likely_cause([step]))


def test_a_collapse_is_said_once_whatever_was_said_before(tmp_path):
    """Of the checkpoints, the one made after the step before the collapse is of its policy."""
    broken = FLAT | {"valid": 0.2}
    with pytest.warns(UserWarning, match="step 2: 20% .* 90% at first.* no checkpoint") as said:
        follow(Watch(tmp_path), SOUND, *[broken] * (PATIENCE + 1))
    assert len(said) == 1 and "learning_rate" in str(said[0].message)
    save(tmp_path, 2, 10, 11)
    with pytest.warns(UserWarning) as said:
        follow(Watch(tmp_path), *[FLAT] * 11, broken)
    first, second = (str(one.message) for one in said)
    assert "take easier" in first and f"copy {tmp_path / 'checkpoint-10'}, which" in second


def test_no_collapse_is_seen_where_few_attempts_were_well_formed_at_first(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        follow(Watch(tmp_path), SOUND | {"valid": 0.1}, SOUND | {"valid": 0.0})
        follow(Watch(tmp_path), SOUND, SOUND | {"valid": 0.3})
