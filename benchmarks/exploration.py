"""Bias of the references of exploration efficiency, by the size of the parallel pool.

    python -m benchmarks.exploration [--problems 4000] [--attempts 8]

Simulated problems: the correct answer has a Beta(0.6, 1.4) share, the wrong ones follow Zipf's law
over 5, 30 or 200 answers, 3 % of attempts give none. The truth comes from the shares themselves. A
chain whose coverage lies at -0.5 (anchored) or +0.5 between the true references is then placed
between the estimated ones; its own coverage is taken as known.
"""

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from analysis.estimators import pass_at_k
from analysis.exploration import ideal_coverage

POOLS = (16, 32, 64, 128, 256)
WRONG = (5, 30, 200)
SHARES = 20_000


def make_shares(rng: np.random.Generator, problems: int, wrong: int) -> np.ndarray:
    """[problem, class] shares: correct first, no answer last."""
    correct = rng.beta(0.6, 1.4, problems) * 0.97
    zipf = 1 / np.arange(1, wrong + 1)
    rest = (0.97 - correct)[:, None] * zipf / zipf.sum()
    return np.column_stack([correct, rest, np.full(problems, 0.03)])


def references(counts: np.ndarray, attempts: int) -> tuple[np.ndarray, np.ndarray]:
    """Independent and ideal coverage from [problem, class] counts, means over problems."""
    n = counts.sum(axis=1)
    ideal = ideal_coverage(counts[:, 0], counts[:, 1:-1], n, attempts)[:, -1]
    return pass_at_k(n, counts[:, 0], attempts), ideal


def true_references(shares: np.ndarray, attempts: int) -> tuple[float, float]:
    """From counts so large that they are as good as the shares."""
    counts = np.maximum(np.round(shares * SHARES), 1).astype(np.int64)
    _, ideal = references(counts, attempts)
    return float((1 - (1 - shares[:, 0]) ** attempts).mean()), float(ideal.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=4000)
    parser.add_argument("--attempts", type=int, default=8)
    options = parser.parse_args()
    rng, k = np.random.default_rng(0), options.attempts
    table = Table("wrong answers", "pool", "independent", "ideal", "anchored -0.5", "half way +0.5")
    for wrong in WRONG:
        shares = make_shares(rng, options.problems, wrong)
        low, high = true_references(shares, k)
        table.add_row(str(wrong), "true", f"{low:.3f}", f"{high:.3f}", "-0.50", "+0.50")
        for pool in POOLS:
            drawn = rng.multinomial(pool, shares)
            zero, one = (float(values.mean()) for values in references(drawn, k))
            placed = [(low + at * (high - low) - zero) / (one - zero) for at in (-0.5, 0.5)]
            cells = (f"{zero:.3f}", f"{one:.3f}", *(f"{value:+.2f}" for value in placed))
            table.add_row("", str(pool), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
