"""Settings that no machine can train, found without torch, so that a dry run refuses them too."""

from collections.abc import Collection, Sequence

from sample.config import SampleConfig, need
from sample.engines.base import Decoding
from sample.models import TransformersModel, trainable
from train.config import TrainConfig
from train.families import trainable_families
from train.replay import Replay, replay_of


def refuse_untrainable(
    config: TrainConfig, sample: SampleConfig, methods: Collection[str]
) -> tuple[TransformersModel, dict[str, Replay | None]]:
    """The model to train, and what each method replays, if they can be trained somewhere.

    methods: those that are to be trained yet.

    Raises:
        UsageError: see ``check_settings``, ``check_parts`` and ``replay_of``.
    """
    model = trainable(sample.models[config.model], "train.model")
    for method in methods:
        families = list(trainable_families(sample.problems, config, method))
        check_settings(config.of(method), families, model, sample.decoding)
    check_parts(config, sample.decoding)
    return model, {method: replay_of(sample.problems, config, method) for method in methods}


def check_settings(
    config: TrainConfig, families: Sequence[str], model: TransformersModel, decoding: Decoding
) -> None:
    """
    Raises:
        UsageError: no family, groups that do not divide evenly, an odd device, or a decoding that
            cannot be learned from.
    """
    need(bool(families), "sample.problems", "at least one problem set to train on", "none")
    count = len(families)
    need(
        config.groups % count == 0,
        "train.groups",
        f"a multiple of the {count} problem families ({', '.join(families)})",
        config.groups,
    )
    need(
        decoding.temperature > 0,
        "sample.decoding.temperature",
        "above 0 for training: the attempts of a group must differ",
        decoding.temperature,
    )
    if any(method.algorithm == "grpo" for method in config.methods.values()):
        # The loss is of the distribution over all tokens.
        whole, off = "1 for training by grpo", "0 (off) for training by grpo"
        need(decoding.top_p == 1, "sample.decoding.top_p", whole, decoding.top_p)
        need(decoding.top_k == 0, "sample.decoding.top_k", off, decoding.top_k)
        need(decoding.min_p == 0, "sample.decoding.min_p", off, decoding.min_p)
    devices = ("auto", "cpu", "cuda")
    device = model.device
    need(device in devices, "device", f"one of {', '.join(devices)} for training", device)


def check_parts(config: TrainConfig, decoding: Decoding) -> None:
    """
    Raises:
        UsageError: parts that cannot work together.
    """
    if config.hardware.shards:
        vllm = "train.vllm beside a launch that shards the weights, to sample from whole ones"
        need(config.vllm is not None, "train.vllm", vllm, "none")
        need(config.quantize is None, "train.quantize", "none under FSDP", config.quantize)
        own = config.encoder or not any(method.embedded for method in config.methods.values())
        encoder = "a model of its own beside a launch that shards the weights"
        need(bool(own), "train.encoder", encoder, config.encoder)
    methods = config.methods.values()
    if config.vllm is not None and any(r.unlikely for m in methods for r in m.rewards.values()):
        # vLLM tells log-probabilities at the temperature of the sampling only.
        one = "1 where vLLM samples for training and a reward has unlikely"
        need(decoding.temperature == 1, "sample.decoding.temperature", one, decoding.temperature)
