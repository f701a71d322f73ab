"""One adapter to train, and the settings that stand beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sample.config import ProblemConfig, plain
from sample.engines.base import Decoding
from sample.models import TransformersModel
from sample.provenance import files_hash
from sample.runfolder import IDLE_TRAINING, RunFolder
from train.config import TrainConfig
from train.families import trainable_families
from train.method_config import BASELINES, LATER, MEASURES, MethodConfig


@dataclass(frozen=True)
class Task:
    """All that an adapter depends on.

    problems: the families, whose train splits are used, evaluation sets left out. attempts: N,
    histories hold up to N - 1. config: of all methods. method, seed: which adapter. run_seed: of
    the whole run.
    """

    model: TransformersModel
    problems: Mapping[str, ProblemConfig]
    decoding: Decoding
    attempts: int
    config: TrainConfig
    method: str
    seed: int
    run_seed: int

    @property
    def own(self) -> TrainConfig:
        """The config with what the method sets for itself."""
        return self.config.of(self.method)

    @property
    def trained(self) -> Mapping[str, ProblemConfig]:
        """The families that the method is trained on."""
        return trainable_families(self.problems, self.own, self.method)


def settings_of(task: Task) -> dict[str, Any]:
    """All that the adapter depends on, and nothing that only says where and how fast."""
    model, config = task.model, task.own
    method = config.methods[task.method]
    left_out = ["methods", "seeds", *IDLE_TRAINING]
    if not method.embedded:
        left_out.append("encoder")
    # Absent where it is not used, so that adapters begun before there was one stay the same.
    train = {k: v for k, v in plain(config).items() if k not in left_out and v is not None}
    families = {name: plain(family) for name, family in task.trained.items()}
    for family in families.values():
        for key in ("split", "count", "seed", "graded"):
            del family[key]
    return {
        "model": {"path": model.path, "dtype": model.dtype,
                  "chat_template": dict(model.chat_template)},
        "problems": families,
        "decoding": plain(task.decoding),
        "attempts": task.attempts,
        "train": train,
        "method": {"name": task.method, **_method_settings(method)},
        "seed": task.seed,
        "run_seed": task.run_seed,
        "replay": _replay_hash(method),
    }  # fmt: skip


def _method_settings(method: MethodConfig) -> dict[str, Any]:
    """Without what came later and has its default, as adapters begun before have no such keys."""
    own = plain(method)
    for key, default in {**LATER, "families": None, "baseline": BASELINES[0]}.items():
        if own[key] == default:
            del own[key]
    if isinstance(own["histories"], dict) and own["histories"]["anchor"] is None:
        del own["histories"]["anchor"]
    for reward in own["rewards"].values():
        if reward["measure"] == MEASURES[0]:
            del reward["measure"]
    return own


def _replay_hash(method: MethodConfig) -> str | None:
    if method.history is None or method.history.replay is None:
        return None
    return files_hash(str(RunFolder(Path(method.history.replay)).attempts))
