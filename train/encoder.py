"""A model that embeds texts: the mean of its last hidden states over the tokens of a text."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerBase

from sample.engines.batch import context_length
from sample.errors import ForageError, UsageError, one_line

TOKENS = 8192
"""Padded tokens of one forward pass, and of a text at most: what comes after them is not read."""

Read = tuple[list[int], list[int]]
"""Ids of a text, and 1 for each that is the text's own, 0 for a special token around it."""


def check_encoder(path: str) -> PreTrainedTokenizerBase:
    """Its tokenizer, found without reading the weights.

    Raises:
        UsageError: no model there with a tokenizer, or one whose decoder reads another text.
    """
    try:
        config = AutoConfig.from_pretrained(path)
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _unreadable(path, error) from None
    if config.is_encoder_decoder:
        raise UsageError(
            f"train.encoder: {path!r} is an encoder with a decoder ({config.model_type}); give a "
            "model of one stack, such as a BERT or a causal language model"
        )
    if set(tokenizer("1 2 a b", add_special_tokens=False)["input_ids"]) <= {tokenizer.unk_token_id}:
        # transformers makes an empty tokenizer where a folder has none.
        raise _unreadable(path, "its tokenizer knows no text")
    return tokenizer


def load_encoder(path: str, device: torch.device) -> tuple[Any, PreTrainedTokenizerBase]:
    """
    Raises:
        UsageError: see ``check_encoder``, or weights that cannot be read.
    """
    tokenizer = check_encoder(path)
    try:
        model = AutoModel.from_pretrained(path, dtype="auto")
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(path, error) from None
    return model.to(device).eval(), tokenizer


def _unreadable(path: str, error: object) -> UsageError:
    return UsageError(
        f"train.encoder: {path!r}: {one_line(error, 200)} (give a folder, or a Hub id that this "
        "machine can reach, of a transformers model with its tokenizer)"
    )


@torch.no_grad()
def embed(
    model: Any, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> NDArray[np.float32]:
    """[text, dimension]; zeros for a text without tokens.

    model: in eval mode, gives last_hidden_state; causal or not. A text is read alone. Its special
    tokens are read and left out of the mean, which they would make alike; where the tokenizer puts
    none in front one is put, as causal models give the first token a state of its own
    (arXiv 2309.17453), which would be all there is of an answer of one token.

    Raises:
        ForageError: hidden states that are not finite.
    """
    read = [_read(tokenizer, text, _longest(model, tokenizer)) for text in texts]
    found = np.zeros((len(texts), model.config.get_text_config().hidden_size), dtype=np.float32)
    for rows in _batches({row: len(ids) for row, (ids, own) in enumerate(read) if any(own)}):
        found[rows] = _means(model, [read[row] for row in rows])
    if not np.isfinite(found).all():
        raise ForageError(
            f"train: the hidden states of the encoder {model.name_or_path!r} are not finite; give "
            "another train.encoder"
        )
    return found


def _longest(model: Any, tokenizer: PreTrainedTokenizerBase) -> int:
    """Less one, for the token put in front."""
    context = context_length(model.config.get_text_config()) or TOKENS
    return min(tokenizer.model_max_length, context, TOKENS) - 1


def _read(tokenizer: PreTrainedTokenizerBase, text: str, longest: int) -> Read:
    read: Any = tokenizer(
        text, truncation=True, max_length=longest, return_special_tokens_mask=True
    )
    ids, own = list(read["input_ids"]), [1 - one for one in read["special_tokens_mask"]]
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if own[:1] == [1] and isinstance(first, int):
        return [first, *ids], [0, *own]
    return ids, own


def _batches(lengths: dict[int, int]) -> Iterator[list[int]]:
    """Rows of similar length. lengths: row -> tokens, at most TOKENS."""
    batch: list[int] = []
    for row in sorted(lengths, key=lengths.__getitem__):
        if lengths[row] * (len(batch) + 1) > TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _means(model: Any, read: Sequence[Read]) -> NDArray[np.float32]:
    device = next(model.parameters()).device
    ids = _padded([ids for ids, _ in read], device)
    own = _padded([own for _, own in read], device)
    seen = _padded([[1] * len(ids) for ids, _ in read], device)
    states = model(input_ids=ids, attention_mask=seen).last_hidden_state.float()
    return ((states * own[..., None]).sum(1) / own.sum(1, keepdim=True)).cpu().numpy()


def _padded(rows: Sequence[list[int]], device: torch.device) -> torch.Tensor:
    """[row, place], zeros behind the shorter rows."""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(device)
