"""Did a control do what it is for? Manipulation checks, from the attempts alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.chains import known_prefix
from analysis.table import Cell

Floats = NDArray[np.float64]

_TOLERANCE = 0.1


@dataclass(frozen=True)
class Check:
    """question: what must hold; estimate: the number it is judged by; passed: None = cannot say."""

    question: str
    estimate: float
    passed: bool | None


def prompt_ratios(cell: Cell, reference: Cell) -> Floats:
    """Mean prompt tokens over those of the reference, at each step, on attempts that both have."""
    chains = min(cell.present.shape[1], reference.present.shape[1])
    own, other = (
        np.where(c.made, c.tokens["prompt"], np.nan)[:, :chains] for c in (cell, reference)
    )
    both = ~np.isnan(own) & ~np.isnan(other)
    sums = [np.where(both, tokens, 0.0).sum(axis=(0, 1)) for tokens in (own, other)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[0] / sums[1]


def has_its_length(cell: Cell, reference: Cell, name: str) -> Check:
    """Prompts as long as the reference's, within 10 %, at every step after the first."""
    ratios = prompt_ratios(cell, reference)[1:]
    known = ratios[~np.isnan(ratios)]
    question = f"Are its prompts as long as those of {name}, within 10 %, at every attempt?"
    if not len(known):
        return Check(question, np.nan, None)
    worst = float(known[np.abs(np.log(known)).argmax()])
    return Check(question, worst, abs(worst - 1) <= _TOLERANCE)


def is_short(cell: Cell, short: Cell, long: Cell) -> Check:
    """Prompts that keep less than half of what the long arm adds to the short one."""
    question = "Are its prompts far shorter than those of sequential (added length, share)?"
    added = [prompt_ratios(c, short)[-1] - 1 for c in (cell, long)]
    if not added[1] > 0:
        return Check(question, np.nan, None)
    share = float(added[0] / added[1])
    return Check(question, share, share < 0.5)


def shows_others(cell: Cell, shown: Cell) -> Check:
    """Of the answers that attempts were shown, most are none of those their chain gave before.

    Where the model has but one answer to give, a swap changes nothing, and this fails.
    """
    question = "Are most of the answers it was shown none of its chain's own (share)?"
    own, seen = (codes[:, :, :-1] for codes in _aligned(cell, shown))
    steps = own.shape[-1]
    since = np.full(own.shape, steps)
    for step in reversed(range(steps)):
        since[seen == own[:, :, step, None]] = step
    # shown answer j stands in the histories of attempts j + 1 .. N, its own from ``since`` + 1 on
    place = np.arange(steps)
    known = seen >= 0
    times = int(((steps - place) * known).sum())
    if not times:
        return Check(question, np.nan, None)
    share = float((np.maximum(since - place, 0) * known).sum() / times)
    return Check(question, share, share > 0.5)


def shown_copies(cell: Cell, shown: Cell) -> Floats:
    """Share of later attempts whose answer is among those they were shown; [problem]."""
    own, seen = _aligned(cell, shown)
    chains = own.shape[1]
    counted = known_prefix(cell.present[:, :chains] & shown.present[:, :chains])
    copied = np.zeros(len(own))
    for step in range(1, own.shape[2]):
        given = (own[:, :, step] >= 0) & counted[:, :, step]
        among = (seen[:, :, :step] == own[:, :, step, None]).any(axis=2)
        copied += (among & given).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return copied / counted[:, :, 1:].sum(axis=(1, 2))


def _aligned(cell: Cell, shown: Cell) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    chains = min(cell.answer.shape[1], shown.answer.shape[1])
    return cell.answer[:, :chains], shown.answer[:, :chains]
