"""A dry run of training as tables for the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sample.dry_run import CHARACTERS, Lengths
from sample.dry_run_shown import Rates, tokens
from train.memory import GIB

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from train.config import TrainConfig
    from train.dry_run import TrainingCost


def show_training_cost(
    cost: TrainingCost, config: TrainConfig, lengths: Lengths, rates: Rates, console: Console
) -> None:
    """Print what each method takes, the memory of a process, the totals and the assumptions."""
    console.print(
        f"{cost.model}: {tokens(cost.parameters)} parameters; LoRA of rank {config.lora_rank}: "
        f"{tokens(cost.adapter)}",
        highlight=False,
    )
    console.print()
    console.print(_methods(cost, rates))
    console.print()
    console.print(_memory(cost, config))
    console.print()
    for line in (*_totals(cost, rates), "", _assumed(config, lengths)):
        console.print(line, highlight=False)


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _methods(cost: TrainingCost, rates: Rates) -> Table:
    from rich.markup import escape

    hours = ("hours each",) if rates.throughput is not None else ()
    columns = ("method", "adapters", "steps", "prompt", "generated", *hours)
    table = _table("tokens of a step", *columns)
    for row in cost.methods:
        cells = [str(row.adapters), str(row.steps), tokens(row.prompt), tokens(row.generated)]
        if rates.throughput is not None:
            cells.append(_hours(row.all_generated / row.adapters, rates))
        table.add_row(escape(row.method), *cells)
    return table


def _memory(cost: TrainingCost, config: TrainConfig) -> Table:
    memory, length = cost.memory, f"{cost.rows} x {cost.longest:,} tokens"
    table = _table("memory of a process", "for", "GiB")
    table.add_row("weights" + (" in 4 bits" if config.quantize else ""), _gib(memory.weights))
    table.add_row("LoRA, gradients, Adam", _gib(memory.adapter))
    for name, size, used in (
        ("with checkpointing", memory.checkpointed, cost.checkpointing),
        ("without checkpointing", memory.stored, not cost.checkpointing),
    ):
        row = f"activations of {length}, {name}"
        table.add_row(row, _gib(size) if used else f"({_gib(size)})")
    if memory.logits:
        table.add_row("logits", _gib(memory.logits))
    if memory.vllm:
        table.add_row("vLLM beside it: weights", _gib(memory.vllm_weights))
        table.add_row("vLLM beside it: cache, all at once", _gib(memory.vllm_cache))
    if memory.encoder:
        table.add_row("encoder of answers: weights", _gib(memory.encoder))
    table.add_row("in all", _gib(memory.total))
    return table


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f}" if size >= GIB / 10 else f"{size / GIB:.3f}"


def _hours(generated: float, rates: Rates) -> str:
    assert rates.throughput is not None
    return f"{generated / rates.throughput / 3600:,.1f}"


def _totals(cost: TrainingCost, rates: Rates) -> Iterable[str]:
    def total(of: str) -> int:
        return sum(getattr(method, of) for method in cost.methods)

    adapters = sum(method.adapters for method in cost.methods)
    prompt, generated = total("all_prompt"), total("all_generated")
    yield (
        f"in all: {adapters} adapters, {tokens(prompt)} prompt tokens, {tokens(generated)} "
        "generated"
    )
    if rates.throughput is not None:
        yield f"hours of sampling: {_hours(generated, rates)}; learning comes on top"


def _assumed(config: TrainConfig, lengths: Lengths) -> str:
    processes = config.hardware.processes
    whose = f"each of {processes} processes" if processes > 1 else "one process"
    return (
        f"Assumed: {lengths.generated:,} tokens generated an attempt (--expect), "
        f"{lengths.answer:,} of them the answer; {CHARACTERS} characters a token. Memory is of "
        f"{whose} at the greatest length ({lengths.most:,} generated), without what CUDA and "
        "fragments take, 1 to 3 GiB."
    )
