"""What draws histories and attempts from the adapter under training."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

from sample.engines.base import Engine
from sample.engines.batch import Batch, Sequence, context_length
from sample.engines.transformers import TransformersEngine, evaluating
from sample.models import TransformersModel

T = TypeVar("T")
Walk = Callable[[Engine, int | None], Awaitable[T]]
"""Work with an engine. The number: tokens of prompt and generation together, None = no limit."""


class Sampler(Protocol):
    """Whatever a step draws comes from the adapter as it is when the step begins."""

    def attach(self, trainer: Any) -> None:
        """Called once, with the trainer whose adapter it draws from; never where all is drawn
        before anything is learned."""
        ...

    def walk(self, model: Any, tokenizer: Any, work: Walk[T], untouched: bool = False) -> T:
        """The result of work that asks an engine, e.g. chains. untouched: of the model without its
        adapter."""
        ...

    def draw(
        self, model: Any, sequences: list[Sequence], stops: set[int], scored: bool
    ) -> list[list[float]] | None:
        """Fill in the tokens of all sequences, each up to one of the stop tokens; scored: and their
        log-probability.

        Returns:
            The log-probabilities of the tokens of each sequence as they were drawn, or None where
            they are those that the trainer computes.
        """
        ...

    def close(self) -> None:
        """End what it has started."""
        ...


class LiveSampler:
    """This package's engine, on the very weights that are trained."""

    def __init__(self, model: TransformersModel) -> None:
        self._model = model

    def attach(self, trainer: Any) -> None:
        pass

    def walk(self, model: Any, tokenizer: Any, work: Walk[T], untouched: bool = False) -> T:
        engine = TransformersEngine(model, tokenizer, self._model.batch, self._model.chat_template)

        async def worked() -> T:
            return await work(engine, context_length(model.config.get_text_config()))

        with model.disable_adapter() if untouched else nullcontext():
            return asyncio.run(worked())

    def draw(
        self, model: Any, sequences: list[Sequence], stops: set[int], scored: bool
    ) -> list[list[float]] | None:
        generate(model, sequences, self._model.batch, stops, scored)
        return None

    def close(self) -> None:
        pass


def generate(
    model: Any, sequences: list[Sequence], slots: int, stops: set[int], scored: bool = False
) -> None:
    """Fill in the tokens of all sequences; ``slots`` of them run at once.

    model: a PEFT model, which may be in training.
    """
    batch = Batch(model.get_base_model(), min(slots, len(sequences)), sorted(stops), scored)
    waiting = list(sequences)
    with evaluating(model):
        while waiting or batch.live:
            joining, waiting = waiting[: batch.room], waiting[batch.room :]
            if joining:
                batch.join(joining)
            batch.step()
