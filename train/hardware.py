"""Settings of where an adapter is trained and by what it is sampled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from sample.config import need, read_yaml
from sample.errors import UsageError


@dataclass(frozen=True)
class HardwareConfig:
    """No result depends on these, except by rounding.

    processes: one for each GPU, started by accelerate; each takes its share of a step's groups.
    launch: a config file of ``accelerate launch``; None = data parallel.
    checkpointing: compute activations again in the backward pass, which saves most of their memory;
    None = on a GPU.
    """

    processes: int = 1
    launch: str | None = None
    checkpointing: bool | None = None

    def check(self, groups: int) -> None:
        """
        Raises:
            UsageError: no even share of the groups, or a launch that would be ignored.
        """
        count, where = self.processes, "train.hardware"
        need(count >= 1, f"{where}.processes", "1 or more", count)
        even = f"a multiple of the {count} processes, so that no group is split"
        need(groups % count == 0, "train.groups", even, groups)
        alone = "none where processes is 1"
        need(self.launch is None or count > 1, f"{where}.launch", alone, self.launch)

    @property
    def shards(self) -> bool:
        """Whether no process holds the whole weights.

        Raises:
            UsageError: a launch file that cannot be read, or of a strategy that is not supported.
        """
        if self.launch is None:
            return False
        given, where = read_yaml(Path(self.launch)), f"train.hardware.launch: {self.launch}"
        kind = given.get("distributed_type")
        if kind == "DEEPSPEED":
            raise UsageError(
                f"config: {where}: DeepSpeed rounds LoRA weights to 16 bits; "
                "use configs/accelerate/fsdp.yaml"
            )
        need(kind in ("MULTI_GPU", "FSDP"), where, "distributed_type MULTI_GPU or FSDP", kind)
        if kind == "FSDP":
            # FSDP 1 flattens weights of one precision; the base has 16 bits and LoRA 32.
            version = given.get("fsdp_config", {}).get("fsdp_version")
            need(version == 2, where, "fsdp_version: 2", version)
        return kind == "FSDP"


@dataclass(frozen=True)
class VllmSampling:
    """vLLM draws the attempts and histories of the training; the adapter is loaded into it before
    every step, the weights of the model never change there.

    mode: "colocate" = every process has a vLLM of its own beside it on its GPU; "server" = running
    vLLM servers of the same model, started with --enable-lora --max-lora-rank R
    --logprobs-mode processed_logprobs and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, that can read the
    run folder under the same path.
    urls, name: of the servers, and the model's name there (default: its path).
    memory: share of the GPU's memory for a colocated vLLM, its weights included.
    arguments: further engine arguments of a colocated vLLM.
    """

    mode: Literal["colocate", "server"] = "colocate"
    urls: tuple[str, ...] = ()
    name: str | None = None
    memory: float = 0.35
    arguments: Mapping[str, Any] = field(default_factory=dict)

    RESERVED: ClassVar = ("model", "dtype", "max_num_seqs", "enable_lora", "gpu_memory_utilization")

    def check(self) -> None:
        """
        Raises:
            UsageError: an option that the mode does not take, or a value out of range.
        """
        where, served = "train.vllm", self.mode == "server"
        addresses = "at least one address for mode: server, none for colocate"
        need(bool(self.urls) == served, f"{where}.urls", addresses, list(self.urls))
        need(served or self.name is None, f"{where}.name", "mode: server", self.name)
        need(not (served and self.arguments), f"{where}.arguments", "mode: colocate", "server")
        need(0 < self.memory < 1, f"{where}.memory", "a share between 0 and 1", self.memory)
        for name in self.arguments:
            own = "not to be set (the model's own settings and memory say it)"
            need(name not in self.RESERVED, f"{where}.arguments.{name}", own, name)
