"""What a reward is paid for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sample.grading import Grade

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Group:
    """Attempts from the same history, all graded. family: of their problem.

    lengths: tokens of each attempt. logps: log-probability of each attempt under the model that
    made it, at temperature 1; None where no reward asks for it.
    past_texts, texts: the final answers of the history and of the attempts, thinking removed; empty
    where an attempt was cut off. past_vectors, vectors: their embeddings, [answer, dimension]; None
    where no reward asks for them.
    """

    family: str
    history: tuple[Grade, ...]
    attempts: tuple[Grade, ...]
    lengths: tuple[int, ...]
    logps: tuple[float, ...] | None = None
    past_texts: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    past_vectors: Floats | None = None
    vectors: Floats | None = None
