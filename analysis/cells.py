"""Every statistic of one arm of one system on one family, one number per problem each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis import chains, estimators, exploration, votes
from analysis.diversity import chain_levels, pool_levels
from analysis.selection import chain_choices, pool_choices
from analysis.statistic import Statistic, over_replicates, without_noise
from analysis.table import FINISHES, SKIPPED, TOKENS, UNMADE, Cell

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """All attempts of a problem as exchangeable draws.

    counts: [problem, answer] how often each answer was given; n: [problem] attempts with a record;
    baseline: [problem, k] chance that independent draw k repeats an earlier one.
    """

    counts: Integers
    n: Integers
    baseline: Floats


@dataclass(frozen=True)
class CellStatistics:
    """levels: name -> one number per problem; curves: name -> [problem, k], k = 1..N.

    Names: accuracy, coverage, majority, last (chains only), repeat_rate, distinct, valid,
    ideal_coverage and coverage_twice (pools only; the latter of 2N attempts), best_of_n and
    weighted_vote (where attempts carry a score, a weight), and those of ``analysis.diversity``.
    transitions: name -> (events, at risk) per problem. pool: None for chains.
    """

    levels: Mapping[str, Statistic]
    curves: Mapping[str, Floats]
    transitions: Mapping[str, tuple[Floats, Floats]]
    pool: Pool | None


def parallel_statistics(cell: Cell, explored: bool = True) -> CellStatistics:
    """Pool estimators: every subset of a problem's attempts counts, not only the groups drawn.

    Where a budget of tokens left groups of different sizes, their attempts are no pool: how many
    there are hangs on how long, and so how good, they are. Each group then counts as it is.
    explored: false leaves out what only describes exploration, which takes most of the time.
    """
    if cell.short.any():
        groups = chain_statistics(cell, explored)
        levels = {name: level for name, level in groups.levels.items() if name != "last"}
        return replace(groups, levels=levels)
    problems, replicates, steps = cell.correct.shape
    correct = cell.correct.reshape(problems, -1)
    graded = ~np.isnan(correct)
    n, right = graded.sum(axis=1), (correct == 1).sum(axis=1)
    k = np.arange(1, steps + 1)
    coverage = estimators.pass_at_k(n[:, None], right[:, None], k)
    wrong = _wrong_counts(cell)
    majority = votes.majority_curve(right, wrong, n, steps)
    pool = _pool(cell, steps)
    distinct = estimators.distinct_curve(pool.counts, pool.n, steps)
    groups = _chain_votes(cell)[:, :, -1]
    levels = {
        **_common_levels(cell),
        **pool_choices(cell),
        "coverage": Statistic(
            coverage[:, -1], estimators.pass_at_k_variance(n, right, steps), replicates
        ),
        # the variance over groups of N is above that of the pool estimate: conservative
        "majority": Statistic(majority[:, -1], over_replicates(groups).within, replicates),
        "distinct": without_noise(distinct[:, -1], high=float(steps), replicates=replicates),
    }
    curves = {
        **_common_curves(cell),
        "coverage": coverage,
        "majority": majority,
        "distinct": distinct,
    }
    if explored:
        ideal = exploration.ideal_coverage(right, wrong, n, steps)
        levels |= pool_levels(cell, pool.counts, pool.n, coverage)
        levels["ideal_coverage"] = without_noise(ideal[:, -1], replicates=replicates)
        twice = estimators.pass_at_k(n, right, 2 * steps)
        levels["coverage_twice"] = without_noise(twice, replicates=replicates)
        curves["ideal_coverage"] = ideal
    transitions = {**_transitions(cell), "first_right": _first_right(coverage, replicates)}
    return CellStatistics(levels, curves, transitions, pool)


def chain_statistics(cell: Cell, explored: bool = True) -> CellStatistics:
    """Chain estimators: means over chains, never over subsets of steps.

    levels: of the attempts that the budget of tokens, if there is one, allowed. curves: NaN beyond
    the attempts that every chain has: further ones are there where attempts were short.
    explored: see ``parallel_statistics``.
    """
    coverage = chains.coverage_curve(_settled(cell))
    majority = _chain_votes(cell)
    distinct = chains.distinct_curve(cell.answer, cell.present | cell.short)
    last = chains.last_curve(cell.correct, cell.short)
    steps = cell.correct.shape[2]
    levels = {
        **_common_levels(cell),
        **chain_choices(cell),
        "coverage": over_replicates(coverage[:, :, -1]),
        "majority": over_replicates(majority[:, :, -1]),
        "last": over_replicates(last[:, :, -1]),
        "distinct": over_replicates(distinct[:, :, -1], float(steps)),
    }
    if explored:
        levels |= chain_levels(cell, coverage)
    curves = {
        **_common_curves(cell),
        "coverage": over_each_step(coverage),
        "majority": over_each_step(majority),
        "distinct": over_each_step(distinct),
    }
    for values in curves.values():
        values[:, steps_of_all(cell) :] = np.nan
    return CellStatistics(levels, curves, _transitions(cell), None)


def steps_of_all(cell: Cell) -> int:
    """How many attempts the budget of tokens let end in every chain; without a budget, all."""
    ended = chains.known_prefix(~cell.short[cell.made.any(axis=2)]).sum(axis=-1)
    return int(ended.min(initial=cell.short.shape[2]))


def pool_curve(cell: Cell, name: str) -> Floats:
    """[problem, k] accuracy, coverage or majority of k attempts of a pool, and nothing else."""
    problems, _, steps = cell.correct.shape
    correct = cell.correct.reshape(problems, -1)
    n, right = (~np.isnan(correct)).sum(axis=1), (correct == 1).sum(axis=1)
    if name == "accuracy":
        return np.repeat(_mean_over_attempts(cell.correct)[:, None], steps, axis=1)
    if name == "coverage":
        return estimators.pass_at_k(n[:, None], right[:, None], np.arange(1, steps + 1))
    return votes.majority_curve(right, _wrong_counts(cell), n, steps)


def chain_curve(cell: Cell, name: str) -> Floats:
    """[problem, k] accuracy, last, coverage or majority of the first k attempts, and nothing else;
    of at most k where a budget of tokens allows fewer."""
    if name == "accuracy":
        return over_each_step(chains.share_curve(cell.correct, cell.short))
    if name == "last":
        return over_each_step(chains.last_curve(cell.correct, cell.short))
    if name == "coverage":
        return over_each_step(chains.coverage_curve(_settled(cell)))
    return over_each_step(_chain_votes(cell))


def over_each_step(values: Floats) -> Floats:
    """[problem, replicate, step] -> [problem, step], the mean over known replicates."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def _mean_over_steps(values: Floats) -> Floats:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0).sum(axis=2) / known.sum(axis=2)


def _mean_over_attempts(values: Floats) -> Floats:
    return over_each_step(values.reshape(len(values), -1, 1))[:, 0]


def _common_levels(cell: Cell) -> dict[str, Statistic]:
    repeated = _repeats(cell)[:, :, 1:]
    valid = np.where(cell.present, cell.answer >= 0, np.nan)
    none_ended = cell.short.any(axis=2) & ~cell.present.any(axis=2)
    levels = {
        "accuracy": over_replicates(np.where(none_ended, 0.0, _mean_over_steps(cell.correct))),
        "repeat_rate": over_replicates(_mean_over_steps(repeated)),
        "valid": over_replicates(_mean_over_steps(valid)),
    }
    if cell.short.any():
        return levels
    # a replicate with ungraded attempts must not weigh as much as a full one
    pooled = _mean_over_attempts(cell.correct)
    accuracy = levels["accuracy"]
    return {**levels, "accuracy": Statistic(pooled, accuracy.within, accuracy.replicates)}


def _common_curves(cell: Cell) -> dict[str, Floats]:
    return {
        "accuracy": over_each_step(cell.correct),
        "repeat_rate": over_each_step(_repeats(cell)),
    }


def _settled(cell: Cell) -> Floats:
    """The grades, short attempts as ones without an answer."""
    return np.where(cell.short, 0.0, cell.correct)


def _repeats(cell: Cell) -> Floats:
    repeated = chains.repeats(cell.answer, cell.present | cell.short)
    return np.where(cell.short, np.nan, repeated)


def _chain_votes(cell: Cell) -> Floats:
    shape = cell.correct.shape
    flat = (cell.answer.reshape(-1, shape[2]), _settled(cell).reshape(-1, shape[2]))
    return votes.chain_votes(*flat).reshape(shape)


def _wrong_counts(cell: Cell) -> Integers:
    """[problem, wrong answer] how often each was given."""
    answers = np.where(cell.correct == 0, cell.answer, -1)
    return estimators.answer_counts(answers.reshape(len(answers), -1))


def _pool(cell: Cell, steps: int) -> Pool:
    answers = cell.answer.reshape(len(cell.answer), -1)
    counts = estimators.answer_counts(answers)
    n = cell.present.reshape(len(answers), -1).sum(axis=1)
    return Pool(counts, n, estimators.repeat_baseline(counts, n, steps))


def _transitions(cell: Cell) -> dict[str, tuple[Floats, Floats]]:
    """Step to step: repair (wrong to right), damage (right to wrong), first right answers, repeats
    by earlier state."""
    before, after = cell.correct[:, :, :-1], cell.correct[:, :, 1:]
    repeated = _repeats(cell)[:, :, 1:]
    was_wrong, was_right = before == 0, before == 1
    known, seen = ~np.isnan(after), ~np.isnan(repeated)
    return {
        "repair": _events(after == 1, was_wrong & known),
        "damage": _events(after == 0, was_right & known),
        "first_right": _events(after == 1, np.logical_and.accumulate(was_wrong, axis=2) & known),
        "repeat_after_wrong": _events(repeated == 1, was_wrong & seen),
        "repeat_after_correct": _events(repeated == 1, was_right & seen),
    }


def _first_right(coverage: Floats, groups: int) -> tuple[Floats, Floats]:
    """The same in the mean over all orders of a pool. coverage: [problem, k] of k attempts."""
    known = np.nan_to_num(coverage)
    still = np.where(np.isnan(coverage), 0.0, 1 - known)[:, :-1]
    return groups * (known.max(axis=1) - known[:, 0]), groups * still.sum(axis=1)


def _events(event: NDArray[np.bool_], at_risk: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    hits = (event & at_risk).sum(axis=(1, 2)).astype(float)
    return hits, at_risk.sum(axis=(1, 2)).astype(float)


@dataclass(frozen=True)
class Costs:
    """tokens: kind -> mean per attempt (NaN = not known); finish: share of each; all over records.

    ungraded: share of records without a grade; attempts: records; missing: attempts without a
    record on problems that have one; skipped: attempts that their problem does not allow, unmade:
    those that the budget of tokens did not; both count as no record here.
    chains: those (or parallel groups) with a record. empty: share of them in which the budget let
    no attempt end.
    """

    tokens: Mapping[str, float]
    finish: Mapping[str, float]
    ungraded: float
    attempts: int
    missing: int
    skipped: int
    unmade: int
    chains: int
    empty: float

    @property
    def per_chain(self) -> dict[str, float]:
        """Means per chain: attempts made, tokens generated."""
        made = self.attempts / max(self.chains, 1)
        return {"attempts": made, "generated": made * self.tokens["generated"]}


def costs(cell: Cell) -> Costs:
    """What the attempts of a cell cost and how they ended."""
    attempts = int(cell.made.sum())
    means = {kind: known_mean(cell.tokens[kind][cell.made]) for kind in TOKENS}
    generated = means["thinking"] + means["answer"]
    tokens = {**means, "generated": generated, "total": means["prompt"] + generated}
    counts = np.bincount(cell.finish[cell.made], minlength=len(FINISHES))
    finish = {name: float(counts[i] / max(attempts, 1)) for i, name in enumerate(FINISHES)}
    ungraded = int((np.isnan(cell.correct) & cell.present).sum())
    begun = cell.made.any(axis=2)
    missing = int((cell.finish[cell.made.any(axis=(1, 2))] < 0).sum())
    skipped, unmade = (int((cell.finish == code).sum()) for code in (SKIPPED, UNMADE))
    chains, empty = int(begun.sum()), int((begun & ~cell.present.any(axis=2)).sum())
    return Costs(
        tokens,
        finish,
        ungraded / max(attempts, 1),
        attempts,
        missing,
        skipped,
        unmade,
        chains,
        empty / max(chains, 1),
    )


def known_mean(values: Floats) -> float:
    """Mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
