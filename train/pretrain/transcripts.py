"""Documents of one problem: a trunk (what a history shows) with one leaf (an attempt) a turn.

The trunk holds what the chat template renders for earlier turns, answers without thinking. The
leaf of turn k is the attempt to be learned given the trunk so far; later turns never see it.
Turn 1, which has nothing to re-use, has several leaves: different attempts at one question.
"""

from dataclasses import dataclass
from random import Random

from sample.problems import Problem
from sample.prompts import REANSWER
from sample.strategies.filler import SENTENCES
from train.pretrain.config import PretrainConfig
from train.pretrain.solvers import Solved, Solver


@dataclass(frozen=True)
class Piece:
    """text: rendered text. leaf: 0 for the trunk, k for the attempt of turn k, -1, -2, … for the
    further attempts at turn 1."""

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
    pieces += [_leaf(solver.fresh(problem, rng), -draft) for draft in range(1, config.drafts)]
    history: list[str] = []
    for turn in range(1, turns + 1):
        reused = bool(history) and rng.random() < config.reuse
        if reused:
            solved = solver.towards(problem, rng.choice(history), rng)
        else:
            solved = solver.fresh(problem, rng)
        pieces.append(_leaf(solved, turn))
        shown = solved.answer
        if not reused and rng.random() >= config.weak:
            shown = solver.weak(problem, rng)
        history.append(shown)
        if turn < turns:
            text = f"{shown}<|im_end|>\n<|im_start|>user\n{reanswer}<|im_end|>\n"
            pieces.append(Piece(text + "<|im_start|>assistant\n", 0))
    return pieces


def _leaf(solved: Solved, leaf: int) -> Piece:
    return Piece(f"<think>\n{solved.thinking}\n</think>\n\n{solved.answer}<|im_end|>", leaf)


def _filler(config: PretrainConfig, rng: Random) -> str:
    if rng.random() >= config.filler:
        return ""
    count = rng.randint(1, 160)
    return " ".join(SENTENCES[i % len(SENTENCES)] for i in range(count)) + "\n\n"
