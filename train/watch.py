"""What goes wrong while an adapter is trained, said early."""

import math
import warnings
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from sample.errors import ForageError

PATIENCE = 10
"""Steps without any difference between the rewards of a group before that is said; one is enough
where all attempts are correct, or none is."""
VALID = 0.2
"""Share of well-formed attempts in the first step from which on a fall to a quarter is a collapse:
below it, small steps fall so far by chance."""


class FiniteLoss(TrainerCallback):
    """Stops a run whose loss is not a number. checkpoints: the folder that holds them."""

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """
        Raises:
            ForageError: the loss or its gradient is not finite.
        """
        if not all(math.isfinite(logs.get(key) or 0.0) for key in ("loss", "grad_norm")):
            raise ForageError(self._diverged(state.global_step, logs.get("learning_rate")))

    def _diverged(self, step: int, rate: float | None) -> str:
        saved = last_saved(self._checkpoints)
        sound = f"{saved} is sound, a PEFT folder" if saved else "there is no checkpoint yet"
        return (
            f"train: step {step}: the loss or its gradient is not finite; {sound}; train again "
            f"under another run name with a lower train.learning_rate (at this step: {rate}), or "
            "with dtype: float32 for the model"
        )


class Watch(TrainerCallback):
    """Says so if the rewards teach nothing, and if the policy collapses.

    checkpoints: the folder that holds them.
    """

    def __init__(self, checkpoints: Path) -> None:
        self._checkpoints = checkpoints
        self._recent: deque[dict[str, float]] = deque(maxlen=PATIENCE)
        self._flat_said = self._collapse_said = False

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "reward" not in logs or self._collapse_said:
            return
        self._recent.append(logs)
        began = next(step["valid"] for step in state.log_history if "valid" in step)
        if began >= VALID and logs["valid"] < began / 4:
            self._collapse_said = True
            warnings.warn(self._collapsed(state.global_step, began, logs["valid"]), stacklevel=2)
        elif not self._flat_said and self._flat():
            self._flat_said = True
            warnings.warn(likely_cause(list(self._recent)), stacklevel=2)

    def _flat(self) -> bool:
        flat = all(step["frac_reward_zero_std"] == 1.0 for step in self._recent)
        first = len(self._recent) == 1 and self._recent[0]["accuracy"] in (0, 1)
        return flat and (first or len(self._recent) == PATIENCE)

    def _collapsed(self, step: int, began: float, valid: float) -> str:
        # The attempts of a step are made by the policy after the step before it.
        before = last_saved(self._checkpoints, step - 2)
        kept = f"copy {before}, which is of before: the next one replaces it" if before else (
            "no checkpoint of before is left"
        )  # fmt: skip
        return (
            f"train: step {step}: {valid:.0%} of the attempts are well-formed, {began:.0%} at "
            f"first: the policy has likely collapsed; {kept}; train again under another run name "
            "with a lower train.learning_rate, or add train.kl"
        )


def last_saved(checkpoints: Path, step: float = math.inf) -> Path | None:
    """The latest checkpoint that was made at that step or before."""
    steps = {int(path.name.rpartition("-")[2]): path for path in checkpoints.glob("checkpoint-*")}
    made = [number for number in steps if number <= step]
    return steps[max(made)] if made else None


def likely_cause(steps: Sequence[Mapping[str, float]]) -> str:
    """Why the rewards within every group were equal.

    steps: accuracy, valid and paid_quality of each.
    """
    keys = ("accuracy", "valid", "paid_quality")
    mean = {key: sum(step[key] for step in steps) / len(steps) for key in keys}
    if mean["accuracy"] == 0 or mean["valid"] < 0.05:
        cause = hardly_correct(mean["valid"])
    elif mean["paid_quality"] == 0:
        cause = (
            "no correct attempt is paid: lower k of quality coverage, take harder problems, or "
            "fewer histories that are solved"
        )
    elif mean["accuracy"] == 1:
        cause = "every attempt is correct: take harder problems"
    else:
        cause = "the attempts of a group are alike: raise the temperature or group_size"
    count = "the first step" if len(steps) == 1 else f"{len(steps)} steps"
    return f"train: {count} without a difference of reward in any group; {cause}"


def hardly_correct(valid: float) -> str:
    """Why hardly any attempt is correct. valid: the share that is well-formed."""
    if valid < 0.05:
        return "hardly any answer is well-formed: raise max_new_tokens or check the questions"
    return "no attempt is correct: take easier problems"
