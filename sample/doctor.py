"""What this machine has and a config lacks: every check is made, none stops the others."""

import asyncio
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sample.config import ProblemConfig, SampleConfig, System, config_systems
from sample.errors import ForageError, UsageError
from sample.families import load_problems
from sample.models import OpenAIModel, ScriptedModel
from sample.provenance import cores, environment
from sample.sandbox import require_sandbox

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": ("accelerate", "datasets", "tensorboard", "trl"),
    "vllm": ("vllm",),
    "openai": ("aiohttp", "tenacity"),
    "hub": ("datasets",),
    "data": ("pyarrow",),
}
"""Extra of the distribution -> the modules that it brings and a verb needs."""

_GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """what: was looked at. found: what is there. remedy: what to do, None = nothing is missing.
    needed: False = only some configs need it."""

    what: str
    found: str
    remedy: str | None = None
    needed: bool = True

    @property
    def wrong(self) -> bool:
        return self.needed and self.remedy is not None


def examine_machine(folder: Path) -> Iterator[Finding]:
    """Versions, hardware, room for runs in ``folder``, optional parts."""
    facts = environment(workers=1)
    yield Finding("forage", facts["versions"]["forage"])
    yield Finding("python", facts["versions"]["python"])
    yield Finding("processor", f"{facts['hardware']['processor']}, {cores()} cores")
    yield _torch(facts["hardware"]["gpus"])
    yield Finding("disk", f"{shutil.disk_usage(folder).free / _GIB:.0f} GiB free in {folder}")
    yield replace(_tried("sandbox", require_sandbox, "runs programs isolated"), needed=False)
    for extra, modules in EXTRAS.items():
        yield _extra(extra, [name for name in modules if find_spec(name) is None])


def _torch(gpus: list[str]) -> Finding:
    import torch

    built = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("gpu", f"{', '.join(names)}; {built}")
    if not gpus:
        return Finding("gpu", f"none, models run on the CPU; {built}")
    remedy = "install a torch that is built for CUDA, see pytorch.org/get-started"
    return Finding("gpu", f"{', '.join(gpus)}, which {built} does not see", remedy, needed=False)


def _extra(name: str, missing: list[str]) -> Finding:
    if not missing:
        return Finding(f"extra {name}", "installed")
    remedy = f"pip install -e '.[{name}]'"
    return Finding(f"extra {name}", f"not installed: {', '.join(missing)}", remedy, needed=False)


def examine_config(config: SampleConfig) -> Iterator[Finding]:
    """Whether each problem set, model and adapter of a config can be had here."""
    for family, problems in config.problems.items():
        check = partial(_load_one, family, problems)
        yield _tried(f"problems {family}", check, f"{problems.source} {problems.task}")
    for system in config_systems(config):
        yield _tried(f"system {system.name}", partial(_examine, system), _described(system))


def _tried(what: str, check: Callable[[], object], found: str) -> Finding:
    try:
        check()
    except ForageError as error:
        return Finding(what, "", str(error))
    return Finding(what, found)


def _load_one(family: str, problems: ProblemConfig) -> None:
    [problem] = load_problems(family, replace(problems, count=1))
    if problem.grader == "code":
        require_sandbox()


def _described(system: System) -> str:
    place = getattr(system.model, "path", None) or getattr(system.model, "model", None)
    parts = (system.model.engine, place, system.adapter and f"adapter {system.adapter}")
    return ", ".join(part for part in parts if part)


def _examine(system: System) -> None:
    """All that can be known without loading weights or generating a token.

    Raises:
        ForageError: the system cannot be sampled from here.
    """
    model = system.model
    if isinstance(model, ScriptedModel):
        return
    from sample.engines.loading import check_adapter, load_tokenizer

    if isinstance(model, OpenAIModel):
        asyncio.run(_ask(model))
        if model.tokenizer is not None:
            load_tokenizer(model.tokenizer)
        return
    if model.engine == "vllm" and find_spec("vllm") is None:
        raise UsageError("engine vllm needs vLLM: pip install -e '.[vllm]'")
    load_tokenizer(model.path)
    if system.adapter is not None:
        check_adapter(Path(system.adapter), model.path)


async def _ask(model: OpenAIModel) -> None:
    from sample.engines.endpoints import Endpoints

    endpoints = Endpoints(model)
    try:
        await endpoints.require(every=True)
    finally:
        await endpoints.close()


def show_findings(findings: Iterable[Finding], console: Console) -> bool:
    """Print each as it is found; whether nothing that is needed is missing."""
    sound = True
    for finding in findings:
        sign = "[red]✗[/]" if finding.wrong else "[yellow]-[/]" if finding.remedy else "[green]✓[/]"
        text = escape(": ".join(part for part in (finding.found, finding.remedy) if part))
        console.print(f"{sign} [bold]{escape(finding.what)}[/]  {text}", highlight=False)
        sound &= not finding.wrong
    return sound
