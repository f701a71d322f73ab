"""Simulated attempts with a known truth, for the tests of the analysis."""

from collections.abc import Iterator

import numpy as np

from sample.records import Attempt, Ledger


def attempt(
    problem: str = "p0",
    arm: str = "parallel",
    system: str = "base",
    replicate: int = 0,
    step: int = 1,
    canonical: str | None = "1",
    correct: bool | None = True,
    **changes,
) -> Attempt:
    values = {
        "family": "toy",
        "problem": problem,
        "arm": arm,
        "system": system,
        "replicate": replicate,
        "step": step,
        "seed": 0,
        "thinking": "",
        "text": canonical or "",
        "answer": canonical,
        "canonical": canonical,
        "correct": correct,
        "finish": "stop",
        "ledger": Ledger(prompt=10 * step, cached=None, thinking=3, answer=2, seconds=0.1),
        "config": "c0ffee",
    }
    return Attempt(**{**values, **changes})


def simulate(
    reuse: dict[tuple[str, str], float],
    problems: int = 40,
    replicates: int = 2,
    steps: int = 4,
    seed: int = 0,
    ease: dict[str, float] | None = None,
    answers: int = 6,
) -> Iterator[Attempt]:
    """Attempts that repeat the answer before them with probability ``reuse[system, arm]``.

    Otherwise they draw answer 0 (the right one) with the problem's own probability, to which
    ``ease[system]`` is added, or one of ``answers`` - 1 wrong ones.
    """
    rng = np.random.default_rng(seed)
    chance = rng.beta(1, 1.5, problems)
    for (system, arm), stay in reuse.items():
        p = np.clip(chance + (ease or {}).get(system, 0.0), 0, 1)
        for i in range(problems):
            for replicate in range(replicates):
                code = -1
                for step in range(1, steps + 1):
                    if code < 0 or rng.random() >= stay:
                        code = 0 if rng.random() < p[i] else int(rng.integers(1, answers))
                    yield attempt(f"p{i:04}", arm, system, replicate, step, str(code), code == 0)
