"""What a training would take, found without its model and without a network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sample.config import SampleConfig
from sample.dry_run import Lengths, count_tokens, representative, text_of
from sample.models import TransformersModel, trainable
from sample.prompts import conversation
from train.architectures import Architecture, architecture, saved_bytes
from train.config import HistoryConfig, TrainConfig, rows_per_pass
from train.families import trainable_families
from train.memory import Memory, activation_bytes, cache_bytes, logit_bytes, weight_bytes


@dataclass(frozen=True)
class MethodCost:
    """Tokens of one step of a method, histories included. adapters: one for each seed."""

    method: str
    adapters: int
    steps: int
    prompt: int
    generated: int

    @property
    def all_generated(self) -> int:
        return self.adapters * self.steps * self.generated

    @property
    def all_prompt(self) -> int:
        return self.adapters * self.steps * self.prompt


@dataclass(frozen=True)
class TrainingCost:
    """parameters: of the model, and of one adapter. longest: tokens of the longest row of a pass.

    rows: attempts in one backward pass. checkpointing: whether it computes activations again.
    """

    model: str
    parameters: int
    adapter: int
    longest: int
    rows: int
    checkpointing: bool
    memory: Memory
    methods: Sequence[MethodCost]


def training_cost(config: TrainConfig, sample: SampleConfig, lengths: Lengths) -> TrainingCost:
    """
    Raises:
        UsageError: the sizes of the model or the encoder are not known, or a family is of unknown
            length.
    """
    model = trainable(sample.models[config.model], "train.model")
    sizes = architecture(model.path)
    prompts = {name: prompt_tokens(sample, config, name, lengths) for name in config.methods}
    longest = min(max(tokens[-1] for tokens in prompts.values()) + lengths.most, sizes.context)
    # Alone on a CPU activations are kept; it is GPUs that memory is counted for.
    checkpointing = config.hardware.checkpointing is not False
    return TrainingCost(
        model.path,
        sizes.parameters,
        sizes.lora_parameters(config.lora_rank),
        longest,
        rows_per_pass(config, config.hardware.processes),
        checkpointing,
        _memory(config, sizes, model, longest, lengths.most, checkpointing),
        [
            _method_cost(name, config.of(name), prompts[name], lengths.generated)
            for name in config.methods
        ],
    )


def prompt_tokens(
    sample: SampleConfig, config: TrainConfig, method: str, lengths: Lengths
) -> list[int]:
    """Tokens of a prompt after k = 0, 1, .. N - 1 earlier answers, mean over the families."""
    answer = text_of(lengths.answer)
    questions = [
        representative(name, problems)[1].question
        for name, problems in trainable_families(sample.problems, config, method).items()
    ]
    return [
        round(sum(count_tokens(conversation(q, [answer] * k)) for q in questions) / len(questions))
        for k in range(sample.attempts)
    ]


def _method_cost(name: str, config: TrainConfig, prompts: list[int], generated: int) -> MethodCost:
    """A history of depth k takes k attempts, each after the ones before it; a replayed one none,
    and learning what a run holds takes nothing at all."""
    history = config.methods[name].history
    if config.methods[name].recorded is not None:
        return MethodCost(name, len(config.seeds), config.steps, 0, 0)
    weights = _depth_weights(history, len(prompts))
    mean_prompt = _mean(prompts, weights)
    live = history is not None and history.replay is None
    made = _mean(range(len(weights)), weights) if live else 0
    read = _mean([sum(prompts[:k]) for k in range(len(weights))], weights) if live else 0
    return MethodCost(
        name,
        len(config.seeds),
        config.steps,
        round(config.groups * (config.group_size * mean_prompt + read)),
        round(config.groups * (config.group_size + made) * generated),
    )


def _depth_weights(history: HistoryConfig | None, depths: int) -> Sequence[float]:
    """Of k = 0, 1, .. earlier answers."""
    if history is None:
        return [1]
    return history.depths[:depths] or [1] * depths


def _mean(values: Iterable[float], weights: Sequence[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=False)) / sum(weights)


def _memory(
    config: TrainConfig,
    sizes: Architecture,
    model: TransformersModel,
    longest: int,
    completion: int,
    checkpointing: bool,
) -> Memory:
    bits = {"float32": 32, "auto": sizes.bits}.get(model.dtype, 16)
    processes = config.hardware.processes
    spread = processes if config.hardware.shards else 1
    rows = rows_per_pass(config, processes)
    stored = activation_bytes(sizes, rows * longest, bits, False)
    checkpointed = activation_bytes(sizes, rows * longest, bits, True)
    at_once = min(model.batch, config.groups * config.group_size // processes)
    beside = config.vllm is not None and config.vllm.mode == "colocate"
    return Memory(
        weight_bytes(sizes, bits, config.quantize is not None) // spread,
        16 * sizes.lora_parameters(config.lora_rank) // spread,
        checkpointed if checkpointing else stored,
        stored,
        checkpointed,
        0 if checkpointing or processes > 1 else logit_bytes(sizes, rows * completion),
        weight_bytes(sizes, bits, False) if beside else 0,
        cache_bytes(sizes, at_once * longest, bits) if beside else 0,
        saved_bytes(config.encoder, "train.encoder") if config.encoder else 0,
    )
