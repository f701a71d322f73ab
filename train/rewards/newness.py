"""How new the answers of a group are against its history, by three measures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sample.grading import Grade
from train.groups import Group

Floats = NDArray[np.floating]


def newness(group: Group, measure: str) -> list[float]:
    """Of each attempt, 0 (the history holds it) to 1. Malformed answers of a history are no
    answers, and an empty history holds nothing, so that all is new; see ``novelty`` for what is
    paid."""
    match measure:
        case "exact":
            assert len(group.texts) == len(group.attempts)
            return by_text(group.history, group.past_texts, group.texts)
        case "embedding":
            assert group.past_vectors is not None and group.vectors is not None
            return by_embedding(group.history, group.past_vectors, group.vectors)
        case _:
            return by_class(group.history, group.attempts)


def by_class(history: Sequence[Grade], attempts: Sequence[Grade]) -> list[float]:
    """1 for an answer that is equivalent to none of the history: another canonical form.

    Range {0, 1}; a malformed attempt is never new.
    """
    known = {grade.canonical for grade in history} | {None}
    return [float(attempt.canonical not in known) for attempt in attempts]


def by_text(history: Sequence[Grade], past: Sequence[str], texts: Sequence[str]) -> list[float]:
    """1 for an answer whose text differs from every one of the history, in any character.

    Range {0, 1}; 1 wherever ``by_class`` of a well-formed attempt is. Degenerate: a space more is
    a new answer, so it pays for rewording.
    """
    pairs = zip(history, past, strict=True)
    known = {text for grade, text in pairs if grade.canonical is not None}
    return [float(text not in known) for text in texts]


def by_embedding(history: Sequence[Grade], past: Floats, vectors: Floats) -> list[float]:
    """1 - the largest cosine similarity to an answer of the history; below a cosine of 0 it is 1.

    past: [earlier answer, dimension]. vectors: [attempt, dimension]. The cosine is taken from the
    distance of unit vectors, 1 - cosine = |u - v|^2 / 2, which is 0 to the last bit for equal ones.
    Range [0, 1]. Degenerate: a vector of zeros, that of an empty text, is like another such one
    alone. Rewording pays a little, and so little does another answer that differs in one token;
    where all vectors point one way, as those of some models do, all pays little: see
    ``paid_novelty``. Source: the cosine novelty of arXiv 2402.19464; the largest similarity in
    place of the mean is ours, so that a chain of different answers does not hide a repeat.
    """
    formed = np.array([grade.canonical is not None for grade in history], dtype=bool)
    known, units = _units(past[formed]), _units(vectors)
    if not len(known):
        return [1.0] * len(units)
    apart = ((units[:, None] - known) ** 2).sum(-1) / 2
    return np.minimum(1.0, apart.min(1)).tolist()


def _units(vectors: Floats) -> NDArray[np.float64]:
    """Of length 1, with one more dimension, which is that of vectors of zeros."""
    vectors = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.concatenate([vectors / np.where(norms == 0, 1, norms), norms == 0], axis=-1)
