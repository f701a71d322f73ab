"""The answers of a step as vectors, for the rewards that measure novelty by embeddings."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from sample.engines.transformers import evaluating
from train.encoder import embed, load_encoder
from train.groups import Group


class Embedding:
    """Gives the groups of some families their vectors.

    The text that is embedded is the final answer as histories show it: the model itself sees no
    more of an attempt later on, so other thinking before the same answer is nothing new to it. The
    question is left out, being the same for a whole group.
    path: of the encoder, loaded at the first call; None = the model in training, its adapter
    switched off, so that the measure does not change with what it pays for. Whatever engine draws
    the attempts, this runs in the trainer's process.
    """

    def __init__(self, families: Collection[str], path: str | None) -> None:
        self._families, self._path = families, path
        self._loaded: tuple[Any, PreTrainedTokenizerBase] | None = None

    def __call__(self, groups: Sequence[Group], model: Any, tokenizer: Any) -> list[Group]:
        """
        model: a PEFT model, which may be in training. Every different text of the step is embedded
        once, so equal ones have equal vectors; none is kept, as a resumed run has none either.
        """
        wanted = [group for group in groups if group.family in self._families]
        texts = sorted({text for group in wanted for text in (*group.past_texts, *group.texts)})
        with self._encoder(model, tokenizer) as encoder:
            vectors = embed(*encoder, texts)
        rows = {text: row for row, text in enumerate(texts)}

        def given(group: Group) -> Group:
            past, new = ([rows[t] for t in some] for some in (group.past_texts, group.texts))
            return replace(group, past_vectors=vectors[past], vectors=vectors[new])

        return [given(group) if group.family in self._families else group for group in groups]

    @contextmanager
    def _encoder(
        self, model: Any, tokenizer: PreTrainedTokenizerBase
    ) -> Iterator[tuple[Any, PreTrainedTokenizerBase]]:
        if self._path is None:
            with evaluating(model), model.disable_adapter():
                yield model.get_base_model().base_model, tokenizer
            return
        if self._loaded is None:
            self._loaded = load_encoder(self._path, next(model.parameters()).device)
        yield self._loaded
