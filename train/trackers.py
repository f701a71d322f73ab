"""Where the numbers of a training go beside ``metrics.jsonl``."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sample.config import config_hash
from sample.provenance import files_hash
from sample.runfolder import RunFolder


def add_trackers(trainer: Any, names: Sequence[str], folder: Path, resume: Path | None) -> None:
    """Have TensorBoard told of the training, and Weights & Biases, which the trainer tells itself,
    know it by name; a resumed training goes on in both.

    folder: of the adapter. resume: the checkpoint that the training goes on from.
    """
    if not trainer.is_world_process_zero():
        return
    if "tensorboard" in names:
        trainer.add_callback(_tensorboard(folder / "tensorboard", resume))
    if "wandb" in names:
        _name_for_wandb(trainer, folder)


def _tensorboard(folder: Path, resume: Path | None) -> Any:
    """purge_step hides the events of steps that a resumed run makes once more."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations.integration_utils import TensorBoardCallback

    step = int(resume.name.rpartition("-")[2]) + 1 if resume else 0
    return TensorBoardCallback(SummaryWriter(str(folder), purge_step=step))


def _name_for_wandb(trainer: Any, folder: Path) -> None:
    trainer.args.run_name = "/".join(folder.absolute().parts[-3::2])
    os.environ.setdefault("WANDB_PROJECT", "forage")
    os.environ["WANDB_RUN_ID"] = run_id(folder)
    os.environ["WANDB_RESUME"] = "allow"
    # The metrics alone leave the machine: no weights and no gradients.
    os.environ["WANDB_LOG_MODEL"], os.environ["WANDB_WATCH"] = "false", "false"


def run_id(folder: Path) -> str:
    """The same for a resumed training, and for no other: neither elsewhere nor from another time.

    folder: of the adapter, in a run folder or alone.
    """
    run = RunFolder(folder.absolute().parents[1])
    created = run.read_manifest()["created"] if run.manifest.exists() else None
    own = {"created": created, "settings": files_hash(str(folder / "training.json"))}
    return f"{folder.name}-{config_hash({'folder': str(folder.resolve()), **own})}"
