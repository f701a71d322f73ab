"""Drawing the next token of many sequences, each from its own random numbers."""

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from sample.engines.base import Decoding
from sample.errors import ForageError


def uniforms(seed: int, count: int) -> np.ndarray:
    """The first ``count`` numbers in [0, 1) of the request's own Philox stream; float64."""
    return np.random.Generator(np.random.Philox(key=seed)).random(count)


def warpers(decoding: Decoding) -> LogitsProcessorList:
    """Temperature, top-k, top-p, then min-p, as ``generate`` of transformers orders them."""
    chain = LogitsProcessorList()
    if decoding.temperature != 1.0:
        chain.append(TemperatureLogitsWarper(float(decoding.temperature)))
    if decoding.top_k > 0:
        chain.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1.0:
        chain.append(TopPLogitsWarper(float(decoding.top_p)))
    if decoding.min_p > 0:
        chain.append(MinPLogitsWarper(float(decoding.min_p)))
    return chain


def draw(logits: torch.Tensor, uniform: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """One token a row by inverse CDF: the first token whose cumulative probability exceeds it.

    logits: [rows, vocabulary]. uniform: [rows], float64 in [0, 1). Temperature 0 takes the
    largest logit. Probabilities are float64, so that the draw is exact to the last token.

    Raises:
        ForageError: a logit is NaN or +inf.
    """
    if not torch.isfinite(logits.amax(-1)).all():
        raise ForageError(
            "the model gave logits that are not finite; load it with dtype: float32, "
            "or go back to an adapter from before its training diverged"
        )
    if decoding.temperature == 0:
        return logits.argmax(-1)
    scores = warpers(decoding)(None, logits.double())  # type: ignore[arg-type]
    cumulative = scores.softmax(-1).cumsum(-1)
    target = uniform * cumulative[:, -1]
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]
