"""What a training would take, found without its model and without a network."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sample.config import SampleConfig
from sample.dry_run import Lengths, count_tokens, representative, text_of
from sample.engines.base import require_room
from sample.models import trainable
from sample.prompts import conversation
from train.architectures import architecture
from train.config import TrainConfig
from train.families import trainable_families
from train.footprint import Setting, decoder_of, memory_of
from train.gpu import Gpu
from train.hours import Hours, chain_seconds, learning_flops, passes_of
from train.memory import Memory
from train.method_config import HistoryConfig
from train.remedies import remedies


@dataclass(frozen=True)
class MethodCost:
    """Tokens of one step of a method, histories included. adapters: one for each seed.

    deepest: earlier attempts that a history may take, one after another. passes: see ``passes_of``.
    """

    method: str
    adapters: int
    steps: int
    prompt: int
    generated: int
    deepest: int
    passes: int
    hours: Hours

    @property
    def all_generated(self) -> int:
        return self.adapters * self.steps * self.generated

    @property
    def all_prompt(self) -> int:
        return self.adapters * self.steps * self.prompt


@dataclass(frozen=True)
class TrainingCost:
    """parameters: of the model, and of one adapter.

    remedies: what helps where it does not fit, and what it then needs; see ``remedies``.
    """

    model: str
    parameters: int
    adapter: int
    setting: Setting
    memory: Memory
    remedies: Mapping[str, Memory]
    methods: Sequence[MethodCost]

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.setting.gpu.memory and self.memory.starts


def training_cost(
    config: TrainConfig,
    sample: SampleConfig,
    lengths: Lengths,
    gpu: Gpu,
    throughput: float | None = None,
) -> TrainingCost:
    """throughput: tokens generated a second by all GPUs, if it is known.

    Raises:
        UsageError: the sizes of the model or the encoder are not known, or a family is of unknown
            length.
    """
    prompts = {
        name: prompt_tokens(questions, sample.attempts, lengths)
        for name, questions in questions_of(sample, config).items()
    }
    setting = setting_of(config, sample, lengths, gpu, prompts)
    # a method may have a rank and groups of its own: the one that takes most has to fit
    each = (replace(setting, config=config.of(name)) for name in config.methods)
    largest = max(each, key=lambda one: memory_of(one).total)
    return TrainingCost(
        setting.model.path,
        setting.sizes.parameters,
        setting.sizes.lora_parameters(largest.config.lora_rank),
        largest,
        memory_of(largest),
        {text: memory_of(changed) for text, changed in remedies(largest).items()},
        [_method_cost(name, setting, prompts[name], throughput) for name in config.methods],
    )


def setting_of(
    config: TrainConfig,
    sample: SampleConfig,
    lengths: Lengths,
    gpu: Gpu,
    prompts: Mapping[str, list[int]],
) -> Setting:
    model = trainable(sample.models[config.model], "train.model")
    sizes = architecture(model.path)
    require_room(lengths.most, sizes.context)
    longest = min(max(tokens[-1] for tokens in prompts.values()) + lengths.most, sizes.context)
    return Setting(config, model, sizes, gpu, longest, lengths)


def questions_of(sample: SampleConfig, config: TrainConfig) -> dict[str, list[str]]:
    """Method -> a question of median length of each family that it is trained on."""
    trained = {name: trainable_families(sample.problems, config, name) for name in config.methods}
    every = {name: problems for families in trained.values() for name, problems in families.items()}
    # once for all methods, as problems can take long to draw
    asked = {name: representative(name, problems)[1].question for name, problems in every.items()}
    return {method: [asked[name] for name in families] for method, families in trained.items()}


def prompt_tokens(questions: Sequence[str], attempts: int, lengths: Lengths) -> list[int]:
    """Tokens of a prompt after k = 0, 1, .. attempts - 1 earlier answers, mean over questions."""
    answer = text_of(lengths.answer)
    return [
        round(sum(count_tokens(conversation(q, [answer] * k)) for q in questions) / len(questions))
        for k in range(attempts)
    ]


def _method_cost(
    name: str, whole: Setting, prompts: list[int], throughput: float | None
) -> MethodCost:
    """A history of depth k takes k attempts, each after the ones before it; a replayed one none,
    and where a run holds the attempts none is drawn at all."""
    setting = replace(whole, config=whole.config.of(name))
    config, generated = setting.config, setting.lengths.generated
    method = config.methods[name]
    weights = _depth_weights(method.drawn, len(prompts))
    live = method.drawn is not None and method.drawn.replay is None
    made = _mean(range(len(weights)), weights) if live else 0
    read = _mean([sum(prompts[:k]) for k in range(len(weights))], weights) if live else 0
    mean_prompt, attempts = _mean(prompts, weights), config.groups * config.group_size
    grpo = method.algorithm == "grpo"
    passes = passes_of(
        checkpointing=setting.checkpointing,
        scored=grpo and config.vllm is not None,
        kl=grpo and (config.kl > 0 or bool(method.anchor)),
    )
    new = method.learn == "new"
    learned = (
        _of_a_pool(prompts, config.group_size, method.draws)
        if new
        else [mean_prompt] * config.group_size
    )
    drawn = Drawing(mean_prompt, prompts, weights if live else (1,), made, learned)
    hours = _hours(setting, drawn, passes, throughput)
    if method.recorded is not None:
        hours = Hours(0, 0, hours.learning)
        return MethodCost(name, len(config.seeds), config.steps, 0, 0, 0, passes, hours)
    return MethodCost(
        name,
        len(config.seeds),
        config.steps,
        round(attempts * mean_prompt + config.groups * read),
        round((attempts + config.groups * made) * generated),
        len(weights) - 1 if live else 0,
        passes,
        hours,
    )


def _of_a_pool(prompts: Sequence[float], size: int, draws: int) -> list[float]:
    """Tokens of the prompt of each attempt that is learned: at most of one chain, ``draws`` at
    each place while so many are left."""
    each = [min(draws, size - place) for place in range(size)]
    return [prompt for prompt, times in zip(prompts, each, strict=False) for _ in range(times)]


@dataclass(frozen=True)
class Drawing:
    """What a step of a method draws. prompt: tokens of an attempt's, on average; prompts: after
    0, 1, .. answers; weights: of the depths that are walked; made: attempts of a history; learned:
    tokens of the prompt of each attempt that is learned of a group."""

    prompt: float
    prompts: Sequence[int]
    weights: Sequence[float]
    made: float
    learned: Sequence[float]


def _hours(setting: Setting, drawn: Drawing, passes: int, throughput: float | None) -> Hours:
    config, written = setting.config, setting.lengths.generated
    attempts, decoder = config.groups * config.group_size, decoder_of(setting)

    def walk(chains: float) -> float:
        walked = chain_seconds(decoder, chains, drawn.weights, drawn.prompts, written)
        return walked / config.refresh

    if throughput is None:
        walked = walk(config.refresh * config.groups / setting.engines)
        sampled = decoder.seconds(attempts / setting.engines, drawn.prompt, written)
    else:
        walked = max(walk(1), config.groups * drawn.made * written / throughput)
        sampled = attempts * written / throughput
    rows = [prompt + written for prompt in drawn.learned]
    learned = config.groups * sum(rows) / config.hardware.processes
    flops = learning_flops(setting.sizes.parameters, learned, passes)
    steps = config.steps / 3600
    return Hours(steps * walked, steps * sampled, steps * setting.gpu.learning(flops))


def _depth_weights(history: HistoryConfig | None, depths: int) -> Sequence[float]:
    """Of k = 0, 1, .. earlier answers."""
    if history is None:
        return [1]
    return history.depths[:depths] or [1] * depths


def _mean(values: Iterable[float], weights: Sequence[float]) -> float:
    return sum(v * w for v, w in zip(values, weights, strict=False)) / sum(weights)
