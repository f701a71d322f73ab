"""Hours of the training of an adapter, by counting bytes read and products made."""

from collections.abc import Sequence
from dataclasses import dataclass

from train.gpu import Gpu


@dataclass(frozen=True)
class Hours:
    """Of one adapter. Nothing overlaps: histories are drawn, then attempts, then it learns."""

    histories: float
    attempts: float
    learning: float

    @property
    def total(self) -> float:
        return self.histories + self.attempts + self.learning


@dataclass(frozen=True)
class Decoder:
    """What draws for one process. weights, token: bytes of the model, and of the cache of a token.

    room: bytes for the cache. slots: most sequences at once.
    """

    gpu: Gpu
    weights: int
    token: int
    room: int
    slots: int

    def seconds(self, sequences: float, prompt: float, written: int) -> float:
        """Of sequences that write as many tokens each after a prompt; those that find no room at
        first come after the others."""
        mean = self.token * (prompt + written / 2)
        at_once = max(1.0, min(sequences, self.slots, self.room / mean))
        step = self.gpu.decoding_step(self.weights + at_once * mean)
        return max(1.0, sequences / at_once) * written * step


def chain_seconds(
    decoder: Decoder, chains: float, weights: Sequence[float], prompts: Sequence[int], written: int
) -> float:
    """Of chains that are walked side by side, each one attempt after another.

    weights: of the depths 0, 1, ..; prompts: tokens of a prompt after 0, 1, .. answers.
    """
    shares = [sum(weights[depth:]) / sum(weights) for depth in range(1, len(weights))]
    return sum(
        decoder.seconds(max(1.0, chains * share), prompt, written)
        for share, prompt in zip(shares, prompts, strict=False)
        if share
    )


def learning_flops(parameters: int, tokens: float, passes: int) -> float:
    """2 x parameters for each token and pass (arXiv 2001.08361, section 2.1)."""
    return 2 * parameters * tokens * passes


def passes_of(*, checkpointing: bool, scored: bool, kl: bool) -> int:
    """Passes over each token in a step: forward, and backward to the activations, as the weights
    are frozen; with checkpointing forward once more.

    scored: once more for the log-probabilities beside those of vLLM. kl: once more for the
    untouched model's.
    """
    return 2 + checkpointing + scored + kl
