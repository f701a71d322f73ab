"""Documents of one problem: a trunk (what a history shows) with several leaves (attempts) a turn.

The trunk holds what the chat template renders for earlier turns, answers without thinking. The
leaves of turn k are different attempts to be learned given the trunk so far; later turns never see
them. What the trunk shows of a fresh attempt is a guess, right by chance alone, so that a history
says next to nothing about the solution. The exception: a fresh answer that a guess happened to
give before is shown as it is, so an answer seen twice is right a little more often than by chance.
"""

from dataclasses import dataclass
from itertools import count
from random import Random

from sample.problems import Problem
from sample.prompts import REANSWER
from sample.strategies.filler import SENTENCES
from train.pretrain.config import PretrainConfig
from train.pretrain.solvers import Solved, Solver

RECALL = "As before:"
"""How the thinking of a re-used answer begins; a fresh attempt begins with its first result."""


@dataclass(frozen=True)
class Piece:
    """text: rendered text. leaf: 0 for the trunk, else which attempt of the document, from 1."""

    text: str
    leaf: int


def write_document(
    problem: Problem, solver: Solver, config: PretrainConfig, rng: Random
) -> list[Piece]:
    """The pieces of one document, in reading order."""
    turns = 1 if rng.random() < config.single else rng.randint(2, config.max_turns)
    reanswer = REANSWER[0] if rng.random() < 0.7 else rng.choice(REANSWER)
    question = _filler(config, rng) + problem.question
    pieces = [Piece(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", 0)]
    history: list[str] = []
    leaves = count(1)
    for _ in range(turns):
        attempts = [_attempt(problem, solver, history, config, rng) for _ in range(config.drafts)]
        pieces += [_leaf(attempt, next(leaves)) for attempt in attempts]
        reused = attempts[-1].answer in history
        history.append(attempts[-1].answer if reused else solver.guess(problem, rng))
        if len(history) < turns:
            text = f"{history[-1]}<|im_end|>\n<|im_start|>user\n{reanswer}<|im_end|>\n"
            pieces.append(Piece(text + "<|im_start|>assistant\n", 0))
    return pieces


def _attempt(
    problem: Problem, solver: Solver, history: list[str], config: PretrainConfig, rng: Random
) -> Solved:
    """Fresh or, with the planted probability, an earlier answer copied as it stands."""
    if history and rng.random() < config.reuse:
        earlier = rng.choice(history)
        return Solved(f"{RECALL}\n{earlier}", earlier)
    return solver.fresh(problem, rng)


def _leaf(solved: Solved, leaf: int) -> Piece:
    return Piece(f"<think>\n{solved.thinking}\n</think>\n\n{solved.answer}<|im_end|>", leaf)


def _filler(config: PretrainConfig, rng: Random) -> str:
    if rng.random() >= config.filler:
        return ""
    count = rng.randint(1, 160)
    return " ".join(SENTENCES[i % len(SENTENCES)] for i in range(count)) + "\n\n"
