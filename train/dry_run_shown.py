"""A dry run of training as tables for the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sample.dry_run import CHARACTERS
from sample.dry_run_shown import tokens
from train.gpu import CUDA_OWN, GIB, REACHED_BANDWIDTH, REACHED_FLOPS, STEP_SECONDS, VLLM_OWN

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from train.dry_run import TrainingCost
    from train.footprint import Setting
    from train.memory import Memory


def show_training_cost(cost: TrainingCost, throughput: float | None, console: Console) -> None:
    """Print what each method takes, the memory of a process, the totals and the assumptions."""
    config = cost.setting.config
    console.print(
        f"{cost.model}: {tokens(cost.parameters)} parameters; LoRA of rank {config.lora_rank}: "
        f"{tokens(cost.adapter)}",
        highlight=False,
    )
    for table in (_methods(cost), _hours(cost), _memory(cost.memory, cost.setting)):
        console.print()
        console.print(table)
    console.print()
    lines = (*_fit(cost), "", *_totals(cost), "", *_assumed(cost, throughput))
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(columns[0], overflow="fold")
    for name in columns[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _methods(cost: TrainingCost) -> Table:
    from rich.markup import escape

    table = _table("tokens of a step", "method", "adapters", "steps", "prompt", "generated")
    for row in cost.methods:
        numbers = (str(row.adapters), str(row.steps), tokens(row.prompt), tokens(row.generated))
        table.add_row(escape(row.method), *numbers)
    return table


def _hours(cost: TrainingCost) -> Table:
    from rich.markup import escape

    columns = ("method", "histories", "attempts", "learning", "in all")
    table = _table("hours of an adapter", *columns)
    for row in cost.methods:
        hours = row.hours
        parts = (hours.histories, hours.attempts, hours.learning, hours.total)
        table.add_row(escape(row.method), *(f"{part:,.2f}" for part in parts))
    return table


def _memory(memory: Memory, setting: Setting) -> Table:
    length = f"{setting.rows} x {setting.longest:,} tokens"
    table = _table("memory of a process", "for", "GiB")
    table.add_row("weights" + (" in 4 bits" * bool(setting.config.quantize)), _gib(memory.weights))
    table.add_row("LoRA, gradients, Adam", _gib(memory.adapter))
    for name, size, used in (
        ("with checkpointing", memory.checkpointed, setting.checkpointing),
        ("without checkpointing", memory.stored, not setting.checkpointing),
    ):
        row = f"activations of {length}, {name}"
        table.add_row(row, _gib(size) if used else f"({_gib(size)})")
    if memory.logits:
        table.add_row("logits", _gib(memory.logits))
    if memory.sampling:
        row = f"or, before them, cache of {setting.at_once} attempts"
        table.add_row(row, _gib(memory.sampling))
    if setting.config.vllm is not None and memory.vllm is not None:
        share = f"vLLM beside it: {setting.config.vllm.memory:g} of the GPU"
        table.add_row(share, _gib(memory.vllm.share))
    if memory.encoder:
        table.add_row("encoder of answers: weights", _gib(memory.encoder))
    table.add_row("CUDA and fragments, about", _gib(CUDA_OWN))
    table.add_row("in all", _gib(memory.total))
    return table


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f}" if size >= GIB / 10 else f"{size / GIB:.3f}"


def _fit(cost: TrainingCost) -> Iterable[str]:
    """Whether it fits, and what to change where it does not."""
    setting, room = cost.setting, cost.memory.vllm
    if room is not None:
        yield (
            f"vLLM: {_gib(room.weights)} GiB of weights and {_gib(VLLM_OWN)} of its own leave "
            f"{_gib(room.cache)} for its cache, {room.at_once:,} attempts of "
            f"{setting.longest:,} tokens at once; the others wait."
        )
    total, size = cost.memory.total, setting.gpu.memory
    if cost.fits:
        yield f"{_gib(total)} of the GPU's {_gib(size)} GiB: it fits."
        return
    if room is not None and not room.starts:
        context = f"a whole context, {_gib(room.context)} GiB"
        yield f"vLLM does not start: its cache must hold {context} (train.vllm.arguments)."
    if total > size:
        yield f"DOES NOT FIT: {_gib(total)} GiB in all, the GPU has {_gib(size)}."
    yield "In all with"
    for text, memory in cost.remedies.items():
        ends = "" if memory.starts else ", and vLLM does not start"
        yield f"  {_gib(memory.total)} GiB{ends}: {text}"


def _totals(cost: TrainingCost) -> Iterable[str]:
    def total(of: str) -> int:
        return sum(getattr(method, of) for method in cost.methods)

    adapters, processes = total("adapters"), cost.setting.config.hardware.processes
    prompt, generated = total("all_prompt"), total("all_generated")
    yield (
        f"in all: {adapters} adapters, {tokens(prompt)} prompt tokens, {tokens(generated)} "
        "generated"
    )
    hours = sum(method.adapters * method.hours.total for method in cost.methods)
    deepest = max(method.deepest for method in cost.methods)
    yield f"hours: {hours:,.1f} on {processes} GPU{'s' * (processes > 1)}, one adapter at a time"
    room = cost.memory.vllm
    if room is not None and not room.at_once:
        yield "These are hours of one attempt at a time, for which vLLM lacks the room."
    if deepest > 1:
        yield (
            f"A history is up to {deepest} attempts one after another: more GPUs shorten this "
            "less than the rest."
        )


def _assumed(cost: TrainingCost, throughput: float | None) -> Iterable[str]:
    setting = cost.setting
    gpu, lengths = setting.gpu, setting.lengths
    yield (
        f"Assumed: {lengths.generated:,} tokens generated an attempt (--expect), "
        f"{lengths.answer:,} of them the answer; {CHARACTERS} characters a token. Memory is of "
        f"a process at the greatest length ({lengths.most:,} generated)."
    )
    passes = sorted({method.passes for method in cost.methods})
    yield (
        f"Learning: {' or '.join(str(2 * n) for n in passes)} x parameters x tokens FLOPs, at "
        f"{REACHED_FLOPS:.0%} of {gpu.flops / 1e12:,.0f} TFLOPS a GPU (--gpu)."
    )
    if throughput is not None:
        yield f"Sampling: {throughput:,.0f} tokens a second (--throughput)."
    else:
        yield (
            "Sampling: each token reads weights and cache once for all attempts at work, at "
            f"{REACHED_BANDWIDTH:.0%} of {gpu.bandwidth / 1e12:.3g} TB/s, and "
            f"{STEP_SECONDS * 1000:g} ms (--throughput, --gpu)."
        )
    yield (
        "Not counted: start of vLLM, loading, attempts longer than expected that the others wait "
        "for. Not looked at: GPUs and packages here, the model's template."
    )
