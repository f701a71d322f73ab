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
from sample.engines.prefixes import Known, Prefixes
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
    """One generation under way.

    cached: tokens of the prompt that had been read before; filled in when it joins.
    tokens: the generated ids, filled in when it has finished.
    logp: their log-probability at temperature 1, if the batch keeps scores.
    """

    prompt: list[int]
    seed: int
    decoding: Decoding
    cached: int = 0
    tokens: list[int] = field(default_factory=list)
    logp: float = 0.0


@dataclass(frozen=True)
class _Piece:
    """Tokens of one prompt to be read in one pass, from the position ``begin`` on."""

    slot: int
    begin: int
    tokens: list[int]


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
        self._prefixes = Prefixes(self._cache)
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
        waiting = sequences
        while waiting:
            reading, waiting = self._apart(waiting)
            self._read(list(reading.values()))
            for sequence, known in reading.items():
                sequence.cached = known.tokens
            self._enter(list(reading))

    def _apart(self, sequences: list[Sequence]) -> tuple[dict[Sequence, Known], list[Sequence]]:
        """Those to read now, and those that will then find more of their prompt in the store."""
        now: dict[Sequence, Known] = {}
        later, missing = [], set()
        for sequence in sequences:
            known = self._prefixes.find(sequence.prompt[:-1])
            if known.missing in missing:
                later.append(sequence)
            else:
                now[sequence] = known
                missing |= {known.missing} - {None}
        return now, later

    def _read(self, prompts: list[Known]) -> None:
        """Put the prompts into the next free slots: what is stored is copied, the rest is read."""
        start, longest = len(self.live), max(len(known.prompt) for known in prompts)
        self._cache.reserve(start + len(prompts), longest)
        self._prefixes.load(start, prompts)
        chunk = CPU_CHUNK if self._device.type == "cpu" else PREFILL_TOKENS
        for begin in range(0, longest, chunk):
            pieces = sorted(_pieces(start, prompts, begin, begin + chunk), key=_shorter)
            for group in _groups([len(piece.tokens) for piece in pieces]):
                self._pass(pieces[group.start : group.stop], begin + chunk)
        self._prefixes.save(start, prompts)

    def _pass(self, pieces: list[_Piece], end: int) -> None:
        """Read pieces, longest first, that end before the position ``end``."""
        width = -(-len(pieces[0].tokens) // ROWS) * ROWS
        padded = [piece.tokens + [0] * (width - len(piece.tokens)) for piece in pieces]
        tokens = torch.tensor(padded, device=self._device)
        begin = torch.tensor([piece.begin for piece in pieces], device=self._device)
        slots = torch.tensor([piece.slot for piece in pieces], device=self._device)
        positions = begin[:, None] + torch.arange(width, device=self._device)
        reach = max(piece.begin for piece in pieces) + width
        self._cache.reserve(0, reach)
        longest = end if self._device.type == "cpu" else reach
        self._forward(self._model.base_model, slots, tokens, positions, longest)

    def _enter(self, sequences: list[Sequence]) -> None:
        start, stop = len(self.live), len(self.live) + len(sequences)
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
        tokens = self._state[:rows, TOKEN, None]
        made = self._forward(self._model, slice(rows), tokens, position[:, None], longest)
        logits = made.logits[:live, -1]
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
        slots: slice | torch.Tensor,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        longest: int,
    ):
        length = self._cache.place(slots, positions, longest)
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


def _pieces(start: int, prompts: list[Known], begin: int, end: int) -> Iterator[_Piece]:
    """What is to be read of the positions from ``begin`` to ``end``."""
    for slot, known in enumerate(prompts, start):
        first = max(begin, known.tokens)
        if tokens := list(known.prompt[first:end]):
            yield _Piece(slot, first, tokens)


def _shorter(piece: _Piece) -> int:
    return -len(piece.tokens)


def _groups(lengths: list[int]) -> Iterator[range]:
    """Ranges of rows to prefill together. lengths: prompt tokens to write, longest first."""
    start, padding = 0, 0
    for row, length in enumerate(lengths):
        padding += lengths[start] - length
        tokens = (row - start + 1) * (lengths[start] + ROWS)
        if padding > SPARE_TOKENS or (tokens > PREFILL_TOKENS and row > start):
            yield range(start, row)
            start, padding = row, 0
    if lengths:
        yield range(start, len(lengths))


def _widened(table: torch.Tensor, width: int) -> torch.Tensor:
    if width <= table.shape[1]:
        return table
    wider = table.new_zeros(table.shape[0], max(width, 2 * table.shape[1]))
    wider[:, : table.shape[1]] = table
    return wider
