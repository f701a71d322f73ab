"""Seconds of a step of this package's training against a step of plain ``GRPOTrainer``.

    python -m benchmarks.training [--steps 5] [--groups 32] [--repeats 2]

Both train the same adapter on the embedded model, one thread, on the same bare questions, as many
attempts a step, drawn from the same model: the plain trainer with its own ``generate``, ours with
its engine. Other seeds give other lengths, so CPU seconds are put in relation to the tokens read
and generated. In turns, best of the repeats. Then the training with histories, and what share of it
makes histories, rewards and grades. Then the learning of pools (``learn: new``, four draws), with
every example read whole as TRL's trainer does, and with the beginnings they share read once.
"""

import argparse
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from trl.trainer.grpo_trainer import GRPOTrainer

from sample.config import ProblemConfig
from sample.engines.base import Decoding
from sample.models import TransformersModel
from train import metrics, rollouts, shared_prefixes
from train.config import TrainConfig
from train.dataset import dataset
from train.grpo import grpo_trainer
from train.method_config import MethodConfig, RewardConfig
from train.samplers import LiveSampler
from train.sft import sft_trainer
from train.task import Task
from train.training import Training, arguments_of, base_of, lora_of
from train.training_plan import training_plan

MODEL = TransformersModel("models/anchored")
PROBLEMS = {"countdown": ProblemConfig("countdown", options={
    "min_numbers": 3, "max_numbers": 3, "min_value": 1, "max_value": 20,
    "min_target": 10, "max_target": 99})}  # fmt: skip
DECODING = Decoding(max_new_tokens=48)
POOLS = "unrepeated"
METHODS = {
    POOLS: MethodConfig(algorithm="sft", learn="new", draws=4, set={"group_size": 32, "groups": 8}),
    "single": MethodConfig(histories=False),
    "diverse": MethodConfig(rewards={"countdown": RewardConfig("coverage", 1.0)}),
}


def _training(config: TrainConfig, method: str) -> Training:
    plan = training_plan(Task(MODEL, PROBLEMS, DECODING, 8, config, method, 0, 0))
    folder = Path(tempfile.mkdtemp(prefix="forage-benchmark-"))
    return Training(MODEL, DECODING, 8, config, method, plan, LiveSampler(MODEL), folder)


def ours(config: TrainConfig, method: str) -> Any:
    """The trainer as ``train_adapter`` makes it."""
    return grpo_trainer(_training(config, method))


def plain(config: TrainConfig) -> Any:
    """TRL's trainer with the same settings, data and base, and a reward of the same grader."""
    training = _training(config, "single")
    base, plan = base_of(training), training.plan
    problems = {p.question: p for p in plan.families["countdown"]}
    grade = rollouts.Grader({p.id: p for p in problems.values()})

    def reward(prompts: Any, completions: Any, **_: Any) -> Any:
        texts = (c[0]["content"].split("</think>")[-1].strip() for c in completions)
        asked = (problems[p[0]["content"]] for p in prompts)
        return [float(bool(grade(a, t).correct)) for a, t in zip(asked, texts, strict=True)]

    return GRPOTrainer(
        model=base,
        args=arguments_of(training, base),
        processing_class=training.tokenizer,
        train_dataset=dataset(plan, config.steps),
        reward_funcs=reward,
        peft_config=lora_of(config),
    )


@dataclass(frozen=True)
class Taken:
    """By one step, on average."""

    seconds: float
    tokens: float


def run(trainer: Any, steps: int) -> Taken:
    trainer.args.save_strategy = "no"
    begin = time.process_time()
    trainer.train()
    seconds = time.process_time() - begin
    return Taken(seconds / steps, trainer.state.num_input_tokens_seen / steps)


@contextmanager
def timed(seconds: Counter[str], name: str, owner: Any, function: str) -> Iterator[None]:
    """Count the CPU seconds of a function while this lasts."""
    original = getattr(owner, function)

    def counted(*args: Any, **kwargs: Any) -> Any:
        begin = time.process_time()
        try:
            return original(*args, **kwargs)
        finally:
            seconds[name] += time.process_time() - begin  # type: ignore[assignment]

    setattr(owner, function, counted)
    try:
        yield
    finally:
        setattr(owner, function, original)


def shares(config: TrainConfig) -> tuple[Taken, dict[str, float]]:
    """A training with histories, and the parts of its CPU seconds."""
    seconds: Counter[str] = Counter()
    trainer = ours(config, "diverse")
    with (
        timed(seconds, "making histories", LiveSampler, "walk"),
        timed(seconds, "grading", rollouts.Grader, "__call__"),
        timed(seconds, "rewards", metrics, "reward_parts"),
        timed(seconds, "attempts", LiveSampler, "draw"),
    ):
        taken = run(trainer, config.steps)
    parts = {name: spent / config.steps / taken.seconds for name, spent in seconds.items()}
    return taken, parts


def pools(config: TrainConfig) -> dict[str, float]:
    """CPU seconds of a step, the same attempts either way."""
    training, seconds = _training(config.of(POOLS), POOLS), {}
    rows = {"pools, examples read whole": 0, "pools, beginnings read once": shared_prefixes.ROW}
    for name, row in rows.items():
        shared_prefixes.ROW = row  # longer examples are read whole
        seconds[name] = run(sft_trainer(training), config.steps).seconds
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--groups", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    config = TrainConfig(METHODS, steps=options.steps, groups=options.groups, trackers=())
    makers: dict[str, Callable[[], Any]] = {
        "GRPOTrainer": lambda: plain(config),
        "ours, no histories": lambda: ours(config, "single"),
    }
    runs: dict[str, list[Taken]] = {name: [] for name in makers}
    for _ in range(options.repeats):
        for name, make in makers.items():
            runs[name].append(run(make(), options.steps))
    best = {n: min(made, key=lambda one: one.seconds / one.tokens) for n, made in runs.items()}
    stock = best["GRPOTrainer"]
    table = Table("training", "CPU s a step", "tokens a step", "s a token, ratio", "share")
    for name, one in best.items():
        ratio = one.seconds / one.tokens * stock.tokens / stock.seconds
        table.add_row(name, f"{one.seconds:.2f}", f"{one.tokens:.0f}", f"{ratio:.2f}", "")
    histories, parts = shares(config)
    table.add_row("ours, histories", f"{histories.seconds:.2f}", f"{histories.tokens:.0f}", "", "")
    for name, share in parts.items():
        table.add_row(f"  {name}", "", "", "", f"{share:.1%}")
    for name, seconds in pools(config).items():
        table.add_row(name, f"{seconds:.2f}", "", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
