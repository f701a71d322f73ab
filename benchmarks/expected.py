"""What the law of the scripted engine makes of given problems: exact, without simulation.

The truth of a study about its own problems and no others (the fixed benchmark) is the mean of
these over its problems.
"""

from collections import defaultdict
from functools import cache

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from benchmarks.scripted_studies import STEPS, Planted, chances, reused, wrong_shares
from sample.models import ScriptedModel

Floats = NDArray[np.float64]

_DEGREE = 48
"""Of the polynomial in the ability: its error is below 1e-12 for every law planted here."""


def fixed_truth(planted: Planted, ability: Floats) -> dict[str, float]:
    """ "gap" of the base and its change, "did", for these very problems."""
    gaps = [
        float(expected_gap(model, ability, planted.primary).mean())
        for model in (planted.base, planted.adapted)
    ]
    return {"gap": gaps[0], "did": gaps[0] - gaps[1]}


def expected_gap(model: ScriptedModel, ability: Floats, primary: str) -> Floats:
    """[problem] parallel majority minus sequential ``primary``: "majority" or "last"."""
    parallel = _curve(model, "parallel", "majority")
    return parallel(ability) - _curve(model, "sequential", primary)(ability)


@cache
def _curve(model: ScriptedModel, arm: str, aggregator: str) -> Chebyshev:
    """A level as a function of the ability of a problem."""
    expected = {"majority": _majority, "last": _last}[aggregator]
    return Chebyshev.interpolate(lambda p: expected(model, p, arm), _DEGREE, domain=[0, 1])


def _last(model: ScriptedModel, ability: Floats, arm: str) -> Floats:
    """[problem] chance that the last answer is right; a repeat is one of the earlier answers."""
    right: list[Floats] = []
    for step in range(STEPS):
        again = reused(model, arm, step)
        earlier = np.mean(right, axis=0) if again else 0.0
        right.append((1 - again) * chances(model, ability, arm, step) + again * earlier)
    return right[-1]


def _majority(model: ScriptedModel, ability: Floats, arm: str) -> Floats:
    """[problem] chance that the vote is right, over how often each answer was given so far."""
    shares = wrong_shares(model)
    states = {(0,) * (1 + len(shares)): np.ones_like(ability)}
    for step in range(STEPS):
        again, chance = reused(model, arm, step), chances(model, ability, arm, step)
        fresh = [(1 - again) * part for part in (chance, *np.outer(shares, 1 - chance))]
        reached: dict[tuple[int, ...], Floats] = defaultdict(lambda: np.zeros_like(ability))
        for counts, likely in states.items():
            for answer, (times, new) in enumerate(zip(counts, fresh, strict=True)):
                after = (*counts[:answer], times + 1, *counts[answer + 1 :])
                reached[after] += likely * (new + again * times / max(step, 1))
        states = reached
    return np.sum([p * _won(counts) for counts, p in states.items()], axis=0)


def _won(counts: tuple[int, ...]) -> float:
    """Ties are broken uniformly; the right answer stands first."""
    top = max(counts)
    return (counts[0] == top) / counts.count(top)
