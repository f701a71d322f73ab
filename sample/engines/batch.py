"""Continuous batching: sequences join and leave a running batch between any two tokens.

Live sequences fill the slots 0..n-1, so a step costs what its live sequences cost. What a
sequence becomes depends on its own prompt, seed and settings alone. On CPU, in float32, with
attention "sdpa", its logits are the same bits in any company, because every shape is padded to
where the kernels' results stop depending on it; measured with one thread, and with several unless
the model has 1 or 3 query heads for each key head. Elsewhere rounding may differ in the last bit.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from transformers import PretrainedConfig, PreTrainedModel

from sample.engines.base import Decoding
from sample.engines.drawing import draw, uniforms
from sample.engines.slots import SlotCache, causal_mask
from sample.errors import UsageError

ROWS = 8
"""Row multiple from which on a linear layer gives each row the same bits (measured, CPU fp32)."""
PREFILL_TOKENS = 8192
"""Prompt tokens in one forward pass, padding included; bounds the memory of a prefill."""
CPU_CHUNK = 128
"""On CPU a prompt is prefilled in pieces cut at multiples of this. So the number of keys a token is
computed with follows from its position alone: there, attention of many queries at once may round
differently for another number of keys, even if all the further ones are masked."""
SPARE_TOKENS = 256
"""Padding accepted before a prefill is cut in two: about what one more pass costs."""

TOKEN, POSITION, FIRST, LIMIT, KIND = range(5)


@dataclass(eq=False)
class Sequence:
    """One generation under way. tokens: the generated ids, filled in when it has finished.

    logp: their log-probability at temperature 1, if the batch keeps scores.
    """

    prompt: list[int]
    seed: int
    decoding: Decoding
    tokens: list[int] = field(default_factory=list)
    logp: float = 0.0


class Batch:
    """Slots of one model. The model must be in eval mode whenever ``join`` or ``step`` runs.

    scored: fill in ``logp`` of every sequence.
    """

    def __init__(
        self, model: PreTrainedModel, slots: int, stops: list[int], scored: bool = False
    ) -> None:
        self.live: list[Sequence] = []
        self._model, self._slots, self._scored = model, slots, scored
        self._device, self._dtype = model.device, model.dtype
        self._stops = torch.tensor(stops, device=self._device)
        self._config = model.config.get_text_config()
        self._layer_types = _layer_types(self._config)
        self.context = context_length(self._config)
        # Padding may stand beyond the last position, where learned embeddings have no row.
        self._last_position = (self.context or 2**62) - 1
        self.clear()

    def clear(self) -> None:
        """Drop every sequence and all memory."""
        self.live.clear()
        self._kinds: list[Decoding] = []
        self._count: Counter[Decoding] = Counter()
        slots = -(-self._slots // ROWS) * ROWS
        self._cache = SlotCache(self._config.num_hidden_layers, self._device)
        self._state = torch.zeros(slots, 5, dtype=torch.long, device=self._device)
        self._uniform = torch.zeros(slots, 0, dtype=torch.float64, device=self._device)
        self._output = torch.zeros(slots, 0, dtype=torch.long, device=self._device)
        self._logp = torch.zeros(slots, dtype=torch.float64, device=self._device)

    @property
    def room(self) -> int:
        return self._slots - len(self.live)

    @torch.inference_mode()
    def join(self, sequences: list[Sequence]) -> None:
        """Give each sequence a slot and put all of its prompt but the last token in the cache.

        The last token goes through the first ``step``, which draws what follows it.
        """
        ordered = sorted(sequences, key=lambda sequence: -len(sequence.prompt))
        start = len(self.live)
        for group in _groups([len(sequence.prompt) - 1 for sequence in ordered]):
            chosen = ordered[group.start : group.stop]
            self._prefill(start + group.start, [s.prompt[:-1] for s in chosen])
        self._enter(start, ordered)

    def _prefill(self, start: int, prompts: list[list[int]]) -> None:
        """Write prompts, longest first, to the slots from ``start`` on, a chunk at a time."""
        width = -(-len(prompts[0]) // ROWS) * ROWS
        padded = [prompt + [0] * (width - len(prompt)) for prompt in prompts]
        tokens = torch.tensor(padded, dtype=torch.long, device=self._device)
        chunk = self._chunk(len(prompts), width)
        for offset in range(0, width, chunk):
            rows = sum(len(prompt) > offset for prompt in prompts)
            part = tokens[:rows, offset : offset + chunk]
            positions = torch.arange(offset, offset + part.shape[1], device=self._device)
            positions = positions.expand(rows, -1)
            self._forward(self._model.base_model, start, part, positions, offset + chunk)

    def _chunk(self, rows: int, width: int) -> int:
        if self._device.type == "cpu":
            return CPU_CHUNK
        return min(width, max(ROWS, PREFILL_TOKENS // rows // ROWS * ROWS))

    def _enter(self, start: int, sequences: list[Sequence]) -> None:
        stop = start + len(sequences)
        longest = max(s.decoding.max_new_tokens for s in sequences)
        self._uniform = _widened(self._uniform, longest)
        self._output = _widened(self._output, longest)
        for slot, sequence in enumerate(sequences, start):
            numbers = uniforms(sequence.seed, sequence.decoding.max_new_tokens)
            self._uniform[slot, : len(numbers)] = torch.from_numpy(numbers)
        rows = [
            (s.prompt[-1], len(s.prompt) - 1, len(s.prompt) - 1,
             s.decoding.max_new_tokens, self._kind(_rule(s.decoding)))
            for s in sequences
        ]  # fmt: skip
        self._state[start:stop] = torch.tensor(rows, device=self._device)
        self._count.update(_rule(s.decoding) for s in sequences)
        self.live.extend(sequences)

    def _kind(self, decoding: Decoding) -> int:
        if decoding not in self._kinds:
            self._kinds.append(decoding)
        return self._kinds.index(decoding)

    @torch.inference_mode()
    def step(self) -> list[Sequence]:
        """One token for every live sequence; returns those that it finished, their slots freed."""
        live = len(self.live)
        rows = -(-live // ROWS) * ROWS
        position = self._state[:rows, POSITION]
        longest = int(position[:live].max()) + 1
        logits = self._forward(
            self._model, 0, self._state[:rows, TOKEN, None], position[:, None], longest
        ).logits[:live, -1]
        state = self._state[:live]
        done = state[:, POSITION] - state[:, FIRST]
        token = self._draw(logits, self._uniform[:live].gather(1, done[:, None])[:, 0])
        self._output[:live].scatter_(1, done[:, None], token[:, None])
        if self._scored:
            scores = logits.float().log_softmax(-1)
            self._logp[:live] += scores.gather(1, token[:, None])[:, 0]
        state[:, TOKEN] = token
        state[:, POSITION] += 1
        ended = torch.isin(token, self._stops) | (done + 1 >= state[:, LIMIT])
        finished = ended.nonzero()[:, 0].tolist()
        return self._leave(finished, longest) if finished else []

    def _draw(self, logits: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        if len(self._count) == 1:
            return draw(logits, uniform, next(iter(self._count)))
        token = torch.zeros(len(uniform), dtype=torch.long, device=self._device)
        kinds = self._state[: len(uniform), KIND]
        for decoding in self._count:
            chosen = (kinds == self._kinds.index(decoding)).nonzero()[:, 0]
            token[chosen] = draw(logits[chosen], uniform[chosen], decoding)
        return token

    def _leave(self, finished: list[int], length: int) -> list[Sequence]:
        """Hand out the finished sequences and close their gaps with the last live ones."""
        state, outputs = self._state[finished], self._output[finished].tolist()
        counts = (state[:, POSITION] - state[:, FIRST]).tolist()
        gone = [self.live[slot] for slot in finished]
        logps = self._logp[finished].tolist()
        for sequence, output, count, logp in zip(gone, outputs, counts, logps, strict=True):
            sequence.tokens, sequence.logp = output[:count], logp
            self._count[_rule(sequence.decoding)] -= 1
        self._count += Counter()
        left = len(self.live) - len(finished)
        freed = set(finished)
        targets = [slot for slot in finished if slot < left]
        sources = [slot for slot in range(left, len(self.live)) if slot not in freed]
        for source, target in zip(sources, targets, strict=True):
            self.live[target] = self.live[source]
        if targets:
            self._cache.move(sources, targets, length)
            for table in (self._state, self._uniform, self._output, self._logp):
                table[targets] = table[sources]
        del self.live[left:]
        self._state[left:] = 0
        self._logp[left:] = 0
        return gone

    def _forward(
        self,
        model: torch.nn.Module,
        start: int,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        longest: int,
    ):
        length = self._cache.place(start, positions, longest)
        return model(
            input_ids=tokens,
            attention_mask=self._mask(positions, length),
            position_ids=positions.clamp(max=self._last_position),
            past_key_values=self._cache,
            use_cache=True,
        )

    def _mask(self, positions: torch.Tensor, length: int) -> torch.Tensor | dict[str, torch.Tensor]:
        window = self._config.sliding_window if self._layer_types != {"full_attention"} else None
        windowed = causal_mask(positions, length, self._dtype, window)
        if "sliding_attention" not in self._layer_types:
            return windowed
        full = causal_mask(positions, length, self._dtype)
        return {"full_attention": full, "sliding_attention": windowed}


def context_length(config: PretrainedConfig) -> int | None:
    """Tokens of prompt and generation together that the model was made for; None = no limit."""
    return getattr(config, "max_position_embeddings", None)


def _layer_types(config: PretrainedConfig) -> set[str]:
    """{"full_attention"}, {"sliding_attention", ...}, or {} where one window holds everywhere.

    Raises:
        UsageError: a layer type without a cache of keys and values for every position.
    """
    types: set[str] = set(getattr(config, "layer_types", None) or ())
    if not types and getattr(config, "sliding_window", None) is None:
        types = {"full_attention"}
    unknown = types - {"full_attention", "sliding_attention"}
    if unknown:
        raise UsageError(
            f"model: the transformers engine has no {', '.join(sorted(unknown))} layers "
            f"({config.model_type}); set engine: vllm, or choose a model with plain attention"
        )
    return types


def _rule(decoding: Decoding) -> Decoding:
    """What tells whether two sequences draw their tokens alike."""
    return replace(decoding, max_new_tokens=0)


def _groups(lengths: list[int]) -> Iterator[range]:
    """Ranges of rows to prefill together. lengths: prompt tokens to write, longest first."""
    start, padding = 0, 0
    for row, length in enumerate(lengths):
        if length == 0:
            break
        padding += lengths[start] - length
        tokens = (row - start + 1) * (lengths[start] + ROWS)
        if padding > SPARE_TOKENS or (tokens > PREFILL_TOKENS and row > start):
            yield range(start, row)
            start, padding = row, 0
    stop = sum(length > 0 for length in lengths)
    if stop > start:
        yield range(start, stop)


def _widened(table: torch.Tensor, width: int) -> torch.Tensor:
    if width <= table.shape[1]:
        return table
    wider = table.new_zeros(table.shape[0], max(width, 2 * table.shape[1]))
    wider[:, : table.shape[1]] = table
    return wider
