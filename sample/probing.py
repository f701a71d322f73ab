"""Draws and reads attempts after fixed prefixes: the same histories for every system of a model."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from sample.calls import ProblemGrader, generate, record
from sample.config import System
from sample.engines import load_engines
from sample.engines.base import Decoding, Engine, Request
from sample.models import OpenAIModel, trainable
from sample.probes import Prefix, Probe, ProbeConfig, Reading
from sample.progress import Progress
from sample.records import Attempt
from sample.sandbox import require_sandbox
from sample.seeds import derive_seed


def make_probes(
    systems: Sequence[System], prefixes: Sequence[Prefix], decoding: Decoding, probe: ProbeConfig
) -> dict[str, list[Probe]]:
    """What every system makes of the prefixes: system -> a probe of each, in order.

    systems: the base first, then adapters on it. Without weights on this machine there are no
    readings.

    Raises:
        UsageError: a model or an adapter that cannot be loaded.
    """
    _check(systems, prefixes)
    if _is_here(systems[0]):
        _quieten()
    drawn = asyncio.run(_draw_all(systems, prefixes, decoding, probe))
    texts = drawn[systems[0].name]
    read = _read_all(systems, prefixes, texts) if _is_here(systems[0]) else {}
    nothing: list[tuple[Reading | None, ...]] = [()] * len(prefixes)
    return {
        name: [
            Probe(name, *parts)
            for parts in zip(prefixes, made, read.get(name, nothing), strict=True)
        ]
        for name, made in drawn.items()
    }


def left_out(system: System) -> list[str]:
    """What a probe of the system cannot say, as sentences."""
    if _is_here(system):
        return []
    return [
        f"{system.name} (engine: {system.model.engine}) has no weights on this machine: attention "
        "and log-probabilities are left out"
    ]


def _is_here(system: System) -> bool:
    """Whether its weights can be loaded: those of a server may be on another machine."""
    return system.model.weights is not None and not isinstance(system.model, OpenAIModel)


def _check(systems: Sequence[System], prefixes: Sequence[Prefix]) -> None:
    """Refuse before the first draw what would fail after it."""
    from sample.engines.loading import check_adapter

    for system in systems:
        if system.adapter and _is_here(system) and system.model.weights:
            check_adapter(Path(system.adapter), system.model.weights)
    if any(prefix.problem.grader == "code" for prefix in prefixes):
        require_sandbox()


def _quieten() -> None:
    """Nothing of other libraries between the bars; sampling has it in the logs of its workers."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning)


async def _draw_all(
    systems: Sequence[System], prefixes: Sequence[Prefix], decoding: Decoding, probe: ProbeConfig
) -> dict[str, list[tuple[Attempt, ...]]]:
    """System -> the attempts after each prefix."""
    problems = {prefix.problem.id: prefix.problem for prefix in prefixes}
    graders = {name: ProblemGrader(problem) for name, problem in problems.items()}
    drawn, total = {}, len(prefixes) * probe.attempts
    with Progress("attempts") as bars:
        for system in systems:
            bars.add(f"draw {system.name}", total, 0)
        async with aclosing(load_engines(systems, problems, decoding)) as engines:
            for system in systems:
                engine = await anext(engines)
                draw = _Draw(engine, system.name, decoding, probe.seed, graders, bars.advance)
                drawn[system.name] = await asyncio.gather(
                    *(draw.after(prefix, probe.attempts) for prefix in prefixes)
                )
                # Before the next one is made: two models need not fit into memory.
                del engine, draw
                gc.collect()
    return drawn


@dataclass(frozen=True)
class _Draw:
    """Draws from one engine. Systems share their seeds, so that equal ones give equal attempts."""

    engine: Engine
    system: str
    decoding: Decoding
    seed: int
    graders: dict[str, ProblemGrader]
    done: Callable[[str], None]

    async def after(self, prefix: Prefix, attempts: int) -> tuple[Attempt, ...]:
        return tuple(await asyncio.gather(*(self._one(prefix, i) for i in range(attempts))))

    async def _one(self, prefix: Prefix, number: int) -> Attempt:
        problem, step = prefix.problem, prefix.depth + 1
        seed = derive_seed("probe", self.seed, problem.id, step, number)
        request = Request(prefix.messages, seed, self.decoding, problem=problem.id)
        made = await generate(self.engine, request, self.system)
        result, failure = await self.graders[problem.id](made)
        self.done(f"draw {self.system}")
        place = {"arm": "probe", "system": self.system, "replicate": number, "step": step}
        return record(problem, made, result, failure, seed=seed, **place)


def _read_all(
    systems: Sequence[System], prefixes: Sequence[Prefix], texts: Sequence[Sequence[Attempt]]
) -> dict[str, list[tuple[Reading | None, ...]]]:
    """System -> how it reads the attempts after each prefix. texts: [prefix, attempt]."""
    from sample.engines.reading import Reader

    found: dict[str, list[tuple[Reading | None, ...]]] = {}
    with Progress("prefixes") as bars:
        for system in systems:
            bars.add(f"read {system.name}", len(prefixes), 0)
        for system in systems:
            model = trainable(system.model, f"sample.models.{system.base}")
            reader = Reader(model, Path(system.adapter) if system.adapter else None)
            found[system.name] = []
            for prefix, made in zip(prefixes, texts, strict=True):
                read = reader.read(prefix.messages, made) if prefix.shown else ()
                found[system.name].append(read)
                bars.advance(f"read {system.name}")
            del reader
            gc.collect()
    return found
