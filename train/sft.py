"""Rejection-sampling fine-tuning: SFT on some of the untouched model's own attempts.

By TRL's trainer. As many attempts are drawn as GRPO draws in as many steps, then those to learn
are learned in as many steps: the correct ones from the same histories (RFT, arXiv 2308.01825),
shuffled, about once each, or more often where a step has not one of its own; or the new ones of
pools (``train.unrepeated``), in each step those that were drawn for it. The ids that are learned
are the ids that were drawn. Several processes draw a share each, and learn the same.
"""

import json
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback, set_seed

from sample.engines.batch import context_length
from sample.engines.chat import Chat
from sample.engines.transformers import stop_ids
from sample.errors import UsageError
from train.config import SAMPLED
from train.histories import History, Tokens
from train.method_config import MethodConfig
from train.metrics import MetricsLog, keep_steps, step_metrics
from train.recorded import recorded_lines, recorded_of, recorded_pools
from train.rollouts import Rolled, Rollouts
from train.training import Training, arguments_of, base_of, keep_32_bits, lora_of
from train.unrepeated import new_answers
from train.watch import PATIENCE, FiniteLoss, hardly_correct

if TYPE_CHECKING:
    from train.shared_examples import Deal

SHARED = (
    "output_dir", "seed", "max_steps", "learning_rate", "lr_scheduler_type", "use_cpu", "bf16",
    "gradient_checkpointing", "save_strategy", "save_steps", "save_total_limit", "logging_steps",
    "logging_nan_inf_filter", "report_to", "disable_tqdm",
)  # fmt: skip
"""The settings that both trainers take."""

Example = tuple[list[int], list[int]]
"""Ids of a prompt and of an attempt to learn after it."""
Choice = Callable[[Rolled, Sequence[History]], list[Example]]
"""What is learned of the attempts of a step, which were drawn after these histories."""
EMPTY: Example = ([0], [])
"""A row without anything to learn, which stands after all others where steps are filled up."""


def sft_trainer(training: Training) -> Any:
    """A trainer whose data are drawn already, or held by a run.

    Raises:
        UsageError: nothing is to be learned of the attempts, and see ``arguments_of``.
    """
    from datasets import Dataset
    from peft import get_peft_model
    from trl.trainer.sft_config import SFTConfig

    config = training.config
    base = base_of(training)
    arguments = arguments_of(training, base)
    if config.vllm is None and config.quantize is None:
        # The attempts are drawn before the trainer moves it there.
        base.to(PartialState().device)  # type: ignore[arg-type]
    set_seed(arguments.seed)
    model = get_peft_model(base, lora_of(config))  # type: ignore[arg-type]
    lines = _recorded(training) or draw(training, model, arguments)
    room = _room(base, training)
    steps = [[one for one in line["examples"] if len(one[0]) <= room] for line in lines]
    alone = training.share.count == 1 and not arguments.gradient_checkpointing
    kind, dealt, filling = _kind(training, steps, alone)
    settings = SFTConfig(
        **{key: getattr(arguments, key) for key in SHARED},
        per_device_train_batch_size=dealt.rows,
        gradient_accumulation_steps=dealt.passes,
        max_length=None,
    )
    rows = [one for step in steps for one in step]
    trainer = kind(
        model=model,  # type: ignore[arg-type]
        args=settings,
        train_dataset=Dataset.from_dict(_columns([*rows, *filling])),
        processing_class=training.tokenizer,
        callbacks=[
            DrawnNumbers([line["numbers"] for line in lines]),
            MetricsLog(training.metrics),
            FiniteLoss(training.checkpoints),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    keep_32_bits(trainer.model)
    return trainer


def _kind(
    training: Training, steps: Sequence[Sequence[Example]], alone: bool
) -> tuple[Any, "Deal", list[Example]]:
    """The trainer, how examples are dealt out to its steps, and what stands after them.

    steps: examples of each. alone: one process, with a model that is not wrapped.
    """
    from trl.trainer.sft_trainer import SFTTrainer

    from train.shared_examples import SharedExamplesTrainer, deal
    from train.shared_prefixes import ROW, SharedPrefixTrainer

    batch, count = training.config.batch, training.share.count
    sizes = [len(step) for step in steps]
    if training.method.learn == "new":
        dealt = deal(max(sizes), 1, batch, count)
        short = max(len(prompt) + len(ids) for step in steps for prompt, ids in step) <= ROW
        kind = SharedPrefixTrainer if alone and short else SharedExamplesTrainer
        return partial(kind, dealt, sizes), dealt, [EMPTY]
    warn_of_epochs(sum(sizes), len(steps))
    dealt = deal(sum(sizes), len(steps), batch, count)
    if dealt.stock:
        return SFTTrainer, dealt, []
    return partial(SharedExamplesTrainer, dealt), dealt, [EMPTY]


def _room(base: PreTrainedModel, training: Training) -> float:
    """Tokens of a prompt that leaves room for an attempt in the model's context."""
    context = context_length(base.config.get_text_config())
    return math.inf if context is None else context - training.decoding.max_new_tokens


def _recorded(training: Training) -> list[dict[str, Any]] | None:
    """What would be drawn, where a run holds it."""
    found = recorded_of(
        training.replay, training.model, training.config, training.name, training.attempts
    )
    chat = Chat(training.tokenizer, training.model.chat_template)
    if not found:
        return None
    steps = training.config.steps
    if training.method.learn == "new":
        return recorded_pools(found, chat, steps, training.plan.seed("pools"))
    return recorded_lines(found, chat, steps)


def draw(training: Training, model: Any, arguments: Any) -> list[dict[str, Any]]:
    """The attempts to learn and the numbers of every step, of all processes; what a killed run drew
    is kept.

    Raises:
        UsageError: none is to be learned after a while.
    """
    path, first_process = training.checkpoints / SAMPLED, PartialState().is_main_process
    with PartialState().main_process_first():
        if first_process:
            _keep_whole(path, arguments.max_steps, arguments.save_steps)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    kind = "well-formed" if training.method.learn == "new" else "correct"
    check_drawn(lines, arguments.max_steps, kind)
    tokenizer, bank = training.tokenizer, training.bank()
    stops = stop_ids(model.get_base_model(), tokenizer)
    rollouts = Rollouts(
        training.plan, bank, training.decoding, training.model, training.config.group_size,
        training.sampler,
    )  # fmt: skip
    choose = _choice(training)
    for step in range(len(lines), arguments.max_steps):
        bank.prepare(step, model, tokenizer)
        own = rollouts.roll(step, model, tokenizer, stops)
        examples = gather_object(choose(own, bank.at(step)))
        if training.method.learn == "correct":
            examples = _different(examples)
        made = of_all_processes(own)
        found = numbers(made, training.method)
        lines.append({"step": step + 1, "examples": examples, "numbers": found})
        if first_process:
            with path.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
        check_drawn(lines, arguments.max_steps, kind)
    return lines


def _choice(training: Training) -> Choice:
    if training.method.learn == "new":
        chat = Chat(training.tokenizer, training.model.chat_template)
        return partial(new_answers, chat, training.attempts, training.method.draws)
    return correct


def check_drawn(lines: Sequence[Mapping[str, Any]], steps: int, kind: str = "correct") -> None:
    """Warn if none of the attempts of the first step is to be learned. steps: to be drawn. kind: of
    those to learn.

    Raises:
        UsageError: nor is one of the first PATIENCE steps, or of all.
    """
    if not lines or any(line["examples"] for line in lines):
        return
    cause = hardly_correct(sum(line["numbers"]["valid"] for line in lines) / len(lines))
    if len(lines) >= min(PATIENCE, steps):
        count = "the only step" if steps == 1 else f"the first {len(lines)} steps"
        raise UsageError(
            f"train: none of the attempts of {count} is {kind}, so there is nothing to "
            f"fine-tune on; {cause}"
        )
    if len(lines) == 1:
        warnings.warn(f"train: the first step has nothing to fine-tune on; {cause}", stacklevel=2)


def warn_of_epochs(examples: int, steps: int) -> None:
    """Few attempts are learned by heart: the budget of steps stays that of the others."""
    epochs = steps / examples
    if epochs >= 2:
        warnings.warn(
            f"train: {steps} steps go {epochs:.0f} times over the {examples} attempts; "
            "take easier problems, more groups or fewer steps",
            stacklevel=2,
        )


def _keep_whole(path: Path, steps: int, refresh: int) -> None:
    """Drop what was drawn since the last step at which histories were made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    done = path.read_bytes().count(b"\n")
    keep_steps(path, min(done, steps) // refresh * refresh)


def of_all_processes(made: Rolled) -> Rolled:
    """What all have drawn for a step, in the order of its groups."""
    parts = gather_object([made])
    return Rolled(
        [sequence for part in parts for sequence in part.sequences],
        [group for part in parts for group in part.groups],
        sum((part.tokens for part in parts), Tokens()),
        None,
    )


def correct(made: Rolled, histories: Sequence[History]) -> list[Example]:
    """The correct attempts."""
    grades = [attempt for group in made.groups for attempt in group.attempts]
    pairs = zip(made.sequences, grades, strict=True)
    return [(s.prompt, s.tokens) for s, grade in pairs if grade.correct]


def _different(examples: Sequence[Example]) -> list[Example]:
    """Equal ones once, of whatever process."""
    return list({(tuple(p), tuple(t)): (p, t) for p, t in examples}.values())


def numbers(made: Rolled, method: MethodConfig) -> dict[str, float]:
    """What GRPO logs of a step, under its names; the reward is correctness."""
    found = step_metrics(made.groups, method)
    alike = [len({one.correct for one in group.attempts}) == 1 for group in made.groups]
    return found | {
        "reward": found["accuracy"],
        "paid_quality": found["accuracy"],
        "frac_reward_zero_std": sum(alike) / len(alike),
        "prompt_tokens": made.tokens.prompt,
        "generated_tokens": made.tokens.generated,
    }


def _columns(examples: Sequence[Example]) -> dict[str, list[list[int]]]:
    return {
        "input_ids": [[*prompt, *attempt] for prompt, attempt in examples],
        "labels": [[-100] * len(prompt) + list(attempt) for prompt, attempt in examples],
    }


class DrawnNumbers(TrainerCallback):
    """Adds to the log of each step what was drawn for it. It must come before what reads logs."""

    def __init__(self, numbers: Sequence[dict[str, float]]) -> None:
        self._numbers = numbers

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in logs:
            logs.update(self._numbers[state.global_step - 1])
