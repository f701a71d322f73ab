"""Given attempts read by a model: how probable their tokens are, and where these look."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from sample.engines.batch import context_length
from sample.engines.chat import Chat
from sample.engines.loading import load_system, load_tokenizer
from sample.models import TransformersModel
from sample.probes import Reading
from sample.records import Attempt

CHUNK = 128
"""Tokens in one pass: of each layer, their attention on all before them is held at once."""


class Reader:
    """A model, with or without the adapter of a folder, that is given what it reads.

    Raises:
        UsageError: a model, tokenizer or adapter that cannot be loaded.
    """

    def __init__(self, model: TransformersModel, adapter: Path | None = None) -> None:
        loaded = load_system(model, adapter)
        # Adapter layers live inside the base model, so it runs with the adapter.
        self._model: Any = (
            loaded if isinstance(loaded, PreTrainedModel) else loaded.get_base_model()
        )
        self._model.set_attn_implementation("eager")  # the one that gives its weights away
        self._chat = Chat(load_tokenizer(model.path), model.chat_template)
        self._context = context_length(self._model.config.get_text_config())

    @torch.inference_mode()
    def read(
        self, messages: list[dict[str, str]], attempts: Sequence[Attempt]
    ) -> tuple[Reading | None, ...]:
        """Each attempt as the turn after the messages, equal ones once.

        None where there is nothing to read or it is too long. The first that can be read is also
        asked where its tokens look.
        """
        prompt, seen = self._chat.prompt(messages), self._chat.earlier_answers(messages)
        cache = DynamicCache(config=self._model.config)
        for ids in _chunks(prompt.ids[:-1]):
            self._pass(self._model.base_model, ids, cache)
        found: dict[tuple[int, ...], Reading | None] = {}
        keys = [
            tuple(self._chat.attempt(prompt, a)) if a.finish != "error" else () for a in attempts
        ]
        looked = False
        for written in dict.fromkeys(keys):
            if not written or len(prompt.ids) + len(written) > (self._context or 2**62):
                found[written] = None
                continue
            found[written] = self._reading(prompt.ids, written, cache, [] if looked else seen)
            looked = True
        return tuple(found[key] for key in keys)

    def _reading(
        self, prompt: list[int], written: Sequence[int], cache: DynamicCache, seen: list[int]
    ) -> Reading:
        """cache: of the prompt but its last token. seen: whose tokens are looked for, [] = none."""
        cache, total, looks = deepcopy(cache), 0.0, _Looks(len(prompt), seen)
        ids = [prompt[-1], *written]
        for begin, part in enumerate(_chunks(ids)):
            made = self._pass(self._model, part, cache, output_attentions=bool(seen))
            following = ids[begin * CHUNK + 1 :][: len(part)]
            scores = made.logits[0, : len(following)].float().log_softmax(-1)
            total += float(scores.gather(1, self._tensor(following)[:, None]).sum())
            if seen:
                looks.add(made.attentions, first=1 if begin == 0 else 0)
        return Reading(total / len(written), looks.paid() if seen else None)

    def _pass(self, model: Any, ids: Sequence[int], cache: DynamicCache, **how: Any) -> Any:
        return model(
            input_ids=self._tensor(ids)[None], past_key_values=cache, use_cache=True, **how
        )

    def _tensor(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor(list(ids), device=self._model.device)


class _Looks:
    """The attention that some tokens pay to a prompt and to its answers, added up by layer.

    length: tokens of the prompt. seen: which of them are of earlier answers.
    """

    def __init__(self, length: int, seen: list[int]) -> None:
        self._length, self._share = length, len(seen) / length
        self._seen = torch.zeros(length, dtype=torch.bool)
        self._seen[seen] = True
        self._sums: list[list[float]] = []

    def add(self, attentions: Sequence[torch.Tensor], first: int) -> None:
        """attentions: by layer, [1, heads, queries, keys]; the keys end with the last query, and a
        sliding layer gives only the last of them. first: query to begin with."""
        self._sums = self._sums or [[0.0, 0.0] for _ in attentions]
        longest = max(weights.shape[-1] for weights in attentions)
        for sums, weights in zip(self._sums, attentions, strict=True):
            gone = longest - weights.shape[-1]
            on_prompt = weights[0, :, first:, : max(0, self._length - gone)].double().sum((0, 1))
            sums[0] += float(on_prompt[self._seen[gone:].to(on_prompt.device)].sum())
            sums[1] += float(on_prompt.sum())

    def paid(self) -> tuple[float, ...]:
        """See ``Reading.attention``."""
        return tuple(
            answers / whole / self._share if whole else float("nan")
            for answers, whole in self._sums
        )


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK)]
