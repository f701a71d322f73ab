"""Whole studies from the law of the scripted engine: drawn as arrays, or made attempt by attempt.

A study has a base with four arms and an adapter with the two of the gap. Every question has the
same number of words, so that the length of a prompt depends on its arm and step alone.
"""

import asyncio
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from scipy.special import expit, logit, roots_jacobi

from analysis.config import Design, SystemInfo
from analysis.table import WIDTH, Table, arrange, build_table
from sample.config import ArmConfig, ProblemConfig
from sample.engines.base import Decoding
from sample.engines.scripted import load_scripted
from sample.families import load_problems
from sample.models import ScriptedModel
from sample.problems import Problem
from sample.records import Attempt
from sample.scheduler import Emit, Plan, run_system
from sample.store import AttemptStore, iterate_attempts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FAMILY = "sums"
STEPS = 8
ARMS = {
    "parallel": ArmConfig("parallel"),
    "sequential": ArmConfig("sequential", options={"reanswer": 1}),
    "irrelevant_context": ArmConfig("irrelevant_context"),
    "last_answer": ArmConfig("sequential", options={"window": 1, "reanswer": 0}),
}
PAIR = ("parallel", "sequential")
DESIGN = Design(exposure="last_answer")
SYSTEMS = {
    "base": SystemInfo("base"),
    "adapted": SystemInfo("adapted", "base", "adapted"),
}
_SHOWN = {"parallel": 0, "sequential": STEPS, "irrelevant_context": 0, "last_answer": 1}
_DECODING = Decoding(max_new_tokens=100_000)
_ARRAYS = ("correct", "answer", "present", "finish", "record")
"""Of a cell, beside its tokens; the engine gives no marks."""
_LAW = ScriptedModel(accuracy=0.4, spread=0.3)


@dataclass(frozen=True)
class Planted:
    """base, adapted: the laws of the two systems. primary: aggregator of the gap. causes: of the
    base's gap, as the attribution calls them. controls: whether the base has the arms for them."""

    base: ScriptedModel
    adapted: ScriptedModel
    primary: str
    causes: frozenset[str] = frozenset()
    controls: bool = True

    def arms(self) -> dict[str, tuple[ScriptedModel, tuple[str, ...]]]:
        """system -> its law and its arms."""
        arms = tuple(ARMS) if self.controls else PAIR
        return {"base": (self.base, arms), "adapted": (self.adapted, PAIR)}


def _planted(primary: str, *causes: str, **effects: float) -> Planted:
    """The adapter halves every effect."""
    halved = {name: value / 2 for name, value in effects.items()}
    laws = replace(_LAW, **effects), replace(_LAW, **halved)
    return Planted(*laws, primary, frozenset(causes))


CAUSES = {
    "none": _planted("majority"),
    "aggregator": _planted("last", "aggregator"),
    "context": _planted("majority", "context", context_effect=-8.0),
    "exposure": _planted("majority", "exposure", exposure_effect=-1.0, reuse=0.2),
    "mixture": _planted(
        "last",
        *("aggregator", "context", "exposure"),
        **{"context_effect": -5.0, "exposure_effect": -0.6, "reuse": 0.1},
    ),
}
_ANCHORED = replace(_LAW, accuracy=0.25, exposure_effect=-1.0)


@cache
def adapters(margin: float) -> dict[str, Planted]:
    """What is left of a gap of coverage: all of it, exactly the margin, or nothing."""

    def left(effect: float) -> float:
        return coverage_gap(replace(_ANCHORED, exposure_effect=effect))

    found = root_scalar(lambda effect: left(effect) - margin, bracket=(-1.0, 0.0), xtol=1e-12)
    kinds = {"unchanged": -1.0, "at the margin": float(found.root), "closed": 0.0}
    return {
        name: Planted(_ANCHORED, replace(_ANCHORED, exposure_effect=e), "coverage", controls=False)
        for name, e in kinds.items()
    }


def coverage_gap(model: ScriptedModel) -> float:
    """Parallel minus sequential in coverage of all steps, by quadrature over the problems.

    A chain covers nothing as long as every fresh attempt is wrong, whatever it repeats.
    """
    size = 1 / model.spread - 1
    x, weights = roots_jacobi(64, (1 - model.accuracy) * size - 1, model.accuracy * size - 1)
    ability = (1 + x) / 2
    sides = []
    for arm in PAIR:
        wrong = [1 - chances(model, ability, arm, step) for step in range(STEPS)]
        fresh = [1 - reused(model, arm, step) for step in range(STEPS)]
        missed = np.prod([1 - f * (1 - w) for f, w in zip(fresh, wrong, strict=True)], axis=0)
        sides.append(1 - missed @ weights / weights.sum())
    return float(sides[0] - sides[1])


def chances(model: ScriptedModel, ability: Floats, arm: str, step: int) -> Floats:
    """``sample.engines.scripted.chance`` of many problems; step counts from 0."""
    exposed = _is_exposed(arm, step)
    shift = model.context_effect * prompt_tokens()[arm][step] / 1000
    return expit(logit(ability) + shift + model.exposure_effect * exposed)


def reused(model: ScriptedModel, arm: str, step: int) -> float:
    """The chance that an attempt repeats an answer that it sees."""
    return model.reuse if _is_exposed(arm, step) else 0.0


def _is_exposed(arm: str, step: int) -> bool:
    return step > 0 and _SHOWN[arm] > 0


def wrong_shares(model: ScriptedModel) -> Floats:
    """[wrong answer] how often it is given among the wrong ones."""
    shares = np.arange(1, model.wrong_answers + 1) ** -model.wrong_skew
    return shares / shares.sum()


@cache
def prompt_tokens() -> dict[str, Integers]:
    """arm -> tokens of the prompt at each step, read off a study that the engine made."""
    made: list[Attempt] = []
    _sample(_LAW, "base", tuple(ARMS), _problems(1, 0), 1, 0, made.append)
    tokens = {arm: np.zeros(STEPS, dtype=np.int64) for arm in ARMS}
    for attempt in made:
        tokens[attempt.arm][attempt.step - 1] = attempt.ledger.prompt
    return tokens


# --- as arrays


def draw_abilities(rng: np.random.Generator, law: ScriptedModel, problems: int) -> Floats:
    """[problem] p_i of problems drawn anew."""
    size = 1 / law.spread - 1
    ability = rng.beta(law.accuracy * size, (1 - law.accuracy) * size, problems)
    return ability.clip(1e-9, 1 - 1e-9)


def draw_study(
    rng: np.random.Generator, planted: Planted, ability: Floats, replicates: int
) -> Table:
    """One study on problems of these abilities, drawn from the law into the columns that records
    are read into."""
    rows = {
        (FAMILY, system, arm): draw_rows(rng, model, ability, arm, replicates)
        for system, (model, arms) in planted.arms().items()
        for arm in arms
    }
    return arrange(rows, {FAMILY: [f"{i:06}" for i in range(len(ability))]})


def draw_rows(
    rng: np.random.Generator, model: ScriptedModel, ability: Floats, arm: str, replicates: int
) -> Floats:
    """[attempt, WIDTH] as ``analysis.table.arrange`` takes them; answer 0 is the right one."""
    codes = draw_answers(rng, model, ability, arm, replicates)
    rows = np.full((*codes.shape, WIDTH), np.nan)  # marks have none
    rows[..., :11] = 0
    rows[..., :3] = np.moveaxis(np.indices(codes.shape), 0, -1)
    rows[..., 2] += 1
    rows[..., 3], rows[..., 4] = codes, codes == 0
    rows[..., 6] = prompt_tokens()[arm]
    rows[..., 8] = rng.geometric(1 / model.thinking_tokens, codes.shape)
    rows[..., 9] = 1
    return rows.reshape(-1, WIDTH)


def draw_answers(
    rng: np.random.Generator, model: ScriptedModel, ability: Floats, arm: str, replicates: int
) -> Integers:
    """[problem, replicate, step] answers: 0 the right one, 1.. the wrong ones."""
    codes = np.empty((len(ability), replicates, STEPS), dtype=np.int64)
    for step in range(STEPS):
        chance = chances(model, ability, arm, step)[:, None]
        codes[:, :, step] = _fresh(rng, model, chance, replicates)
        if share := reused(model, arm, step):
            again = rng.random(codes.shape[:2]) < share
            source = rng.integers(max(0, step - _SHOWN[arm]), step, codes.shape[:2])
            earlier = np.take_along_axis(codes, source[:, :, None], axis=2)[:, :, 0]
            codes[:, :, step] = np.where(again, earlier, codes[:, :, step])
    return codes


def _fresh(
    rng: np.random.Generator, model: ScriptedModel, chance: Floats, replicates: int
) -> Integers:
    shape = (len(chance), replicates)
    below = np.cumsum(wrong_shares(model))[:-1]
    wrong = 1 + np.searchsorted(below, rng.random(shape), "right")
    return np.where(rng.random(shape) < chance, 0, wrong)


# --- attempt by attempt


def make_studies(
    planted: Planted, studies: int, problems: int, replicates: int, seed: int
) -> list[list[Attempt]]:
    """One run of the engine, cut into studies: no two share a problem, so they are independent."""
    known = _problems(studies * problems, seed)
    place = {problem: i // problems for i, problem in enumerate(known)}
    cut: list[list[Attempt]] = [[] for _ in range(studies)]
    with _recorded(planted, known, replicates, seed) as attempts:
        for attempt in attempts:
            cut[place[attempt.problem]].append(attempt)
    return cut


def make_pool(planted: Planted, problems: int, replicates: int, seed: int) -> Table:
    """One run of the engine, whole."""
    with _recorded(planted, _problems(problems, seed), replicates, seed) as attempts:
        return build_table(attempts, STEPS)


def draw_from(rng: np.random.Generator, pool: Table, problems: int) -> tuple[Table, list[str]]:
    """A study on problems of a pool, drawn with replacement, so independent draws from a population
    whose means are the pool's; and their ids in the pool."""
    known = pool.problems[FAMILY]
    index = rng.integers(0, len(known), problems)
    cells = {
        key: replace(
            cell,
            **{name: getattr(cell, name)[index] for name in _ARRAYS},
            tokens={kind: counts[index] for kind, counts in cell.tokens.items()},
        )
        for key, cell in pool.cells.items()
    }
    named = {FAMILY: tuple(f"{i:06}" for i in range(problems))}
    return replace(pool, cells=cells, problems=named), [known[i] for i in index]


@contextmanager
def _recorded(
    planted: Planted, known: Mapping[str, Problem], replicates: int, seed: int
) -> Iterator[Iterator[Attempt]]:
    """The attempts of both systems, through engine, scheduler, graders and a record file on
    disk."""
    with TemporaryDirectory() as folder, _without_collector():
        path = Path(folder) / "attempts.jsonl"
        with AttemptStore(path) as store:
            for system, (model, arms) in planted.arms().items():
                _sample(model, system, arms, known, replicates, seed, store.append)
        yield iterate_attempts(path)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python's search for cycles would take a third of the time, and the run is short."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _problems(count: int, seed: int) -> Mapping[str, Problem]:
    options = {"min_terms": 3, "max_terms": 3, "max_digits": 4}
    config = ProblemConfig("chain_sum", count=count, seed=seed, options=options)
    return {problem.id: problem for problem in load_problems(FAMILY, config)}


def _sample(
    model: ScriptedModel,
    system: str,
    arms: tuple[str, ...],
    known: Mapping[str, Problem],
    replicates: int,
    seed: int,
    emit: Emit,
) -> None:
    groups = tuple((problem, r) for problem in known.values() for r in range(replicates))
    chosen = {name: ARMS[name] for name in arms}
    plan = Plan(system, chosen, groups, STEPS, _DECODING, seed, "calibration")
    asyncio.run(run_system(load_scripted(model, None, known), plan, (), emit, 256))
