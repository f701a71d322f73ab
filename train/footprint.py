"""The memory of one process of a training, and the engine that draws for it."""

from dataclasses import dataclass

from sample.dry_run import Lengths
from sample.models import TransformersModel
from train.architectures import Architecture, saved_bytes
from train.config import TrainConfig, rows_per_pass
from train.gpu import CUDA_OWN, VLLM_OWN, Gpu
from train.hours import Decoder
from train.memory import (
    NF4,
    Memory,
    VllmRoom,
    activation_bytes,
    cache_bytes,
    logit_bytes,
    weight_bytes,
)

SERVER_SHARE = 0.9
"""Of its GPU that a vLLM server takes unless told otherwise; one GPU a server is assumed."""


@dataclass(frozen=True)
class Setting:
    """What is trained, and on what. longest: tokens of prompt and attempt at most."""

    config: TrainConfig
    model: TransformersModel
    sizes: Architecture
    gpu: Gpu
    longest: int
    lengths: Lengths

    @property
    def bits(self) -> int:
        return {"float32": 32, "auto": self.sizes.bits}.get(self.model.dtype, 16)

    @property
    def checkpointing(self) -> bool:
        # Alone on a CPU activations are kept; it is GPUs that memory is counted for.
        return self.config.hardware.checkpointing is not False

    @property
    def rows(self) -> int:
        return rows_per_pass(self.config, self.config.hardware.processes)

    @property
    def at_once(self) -> int:
        """Attempts that a process asks for at once."""
        mine = self.config.groups * self.config.group_size // self.config.hardware.processes
        return min(self.model.batch, mine)

    @property
    def engines(self) -> int:
        """How many share the drawing of a step."""
        vllm = self.config.vllm
        return len(vllm.urls) if vllm and vllm.urls else self.config.hardware.processes

    def cache(self, tokens: int) -> int:
        return cache_bytes(self.sizes, tokens, self.bits)


def trained_bytes(setting: Setting) -> int:
    """Of the model's own weights in one process of the training."""
    config = setting.config
    spread = config.hardware.processes if config.hardware.shards else 1
    linear = NF4 if config.quantize else None
    return weight_bytes(setting.sizes, setting.bits, linear) // spread


def memory_of(setting: Setting) -> Memory:
    config, sizes, bits = setting.config, setting.sizes, setting.bits
    processes = config.hardware.processes
    spread = processes if config.hardware.shards else 1
    tokens = setting.rows * setting.longest
    stored = activation_bytes(sizes, tokens, bits, False)
    checkpointed = activation_bytes(sizes, tokens, bits, True)
    alone = not setting.checkpointing and processes == 1
    return Memory(
        trained_bytes(setting),
        16 * sizes.lora_parameters(config.lora_rank) // spread,
        checkpointed if setting.checkpointing else stored,
        stored,
        checkpointed,
        logit_bytes(sizes, setting.rows * setting.lengths.most) if alone else 0,
        0 if config.vllm else setting.cache(setting.at_once * setting.longest),
        vllm_room(setting),
        saved_bytes(config.encoder, "train.encoder") if config.encoder else 0,
    )


def vllm_room(setting: Setting) -> VllmRoom | None:
    """Of a colocated vLLM."""
    vllm = setting.config.vllm
    if vllm is None or vllm.mode != "colocate":
        return None
    linear = 8 if str(vllm.arguments.get("quantization")).startswith("fp8") else None
    given = vllm.arguments.get("max_model_len")
    # what vLLM reads by itself, such as "32k" or -1 (what fits), is not known here
    context = given if isinstance(given, int) and given > 0 else setting.sizes.context
    return VllmRoom(
        round(vllm.memory * setting.gpu.memory),
        weight_bytes(setting.sizes, setting.bits, linear),
        setting.cache(min(setting.longest, context)),
        setting.cache(context),
    )


def decoder_of(setting: Setting) -> Decoder:
    """One of what draws: a vLLM beside each process, a server, or a process's own engine."""
    config, gpu = setting.config, setting.gpu
    room, slots = vllm_room(setting), setting.model.batch
    if room is not None:
        return Decoder(gpu, room.weights, setting.cache(1), room.cache, slots)
    if config.vllm is None:
        weights = trained_bytes(setting)
        cache = gpu.memory - weights - CUDA_OWN
    else:
        weights = weight_bytes(setting.sizes, setting.bits)
        cache = round(SERVER_SHARE * gpu.memory) - weights - VLLM_OWN
    return Decoder(gpu, weights, setting.cache(1), max(0, cache), slots)
