"""The engines by name; each is imported when a model needs it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sample.config import System
    from sample.engines.base import Decoding, Engine
    from sample.problems import Problem


async def load_engines(
    systems: "Sequence[System]", problems: "Mapping[str, Problem]", decoding: "Decoding"
) -> "AsyncGenerator[Engine, None]":
    """One engine for each system, in order, each made when it is asked for.

    systems: of one model. Engines that share its weights live until the iterator is closed.
    problems: by id; what an engine that answers without a model reads its answers from.
    decoding: of the requests to come.

    Raises:
        UsageError: a model, adapter or option that cannot be used.
    """
    from sample.models import OpenAIModel, ScriptedModel, TransformersModel, VllmModel

    match systems[0].model:
        case TransformersModel() as model:
            from sample.engines.loading import load_engine

            for system in systems:
                yield load_engine(model, Path(system.adapter) if system.adapter else None)
        case VllmModel() as model:
            from sample.engines.vllm import VllmCore

            adapters, ends = [s.adapter for s in systems if s.adapter], decoding.thinking_budget
            with VllmCore(model, adapters, ends_thinking=ends is not None) as core:
                for system in systems:
                    yield await core.engine(system.adapter)
        case OpenAIModel() as model:
            from sample.engines.openai import OpenAIEngine

            for system in systems:
                async with OpenAIEngine(model) as engine:
                    await engine.use(system.adapter)
                    yield engine
        case ScriptedModel() as model:
            from sample.engines.scripted import load_scripted

            for system in systems:
                yield load_scripted(model, system.adapter, problems)
