"""Documents of one problem: a trunk (what a history shows) with several leaves (attempts) a turn.

The trunk holds what the chat template renders for earlier turns, answers without thinking. The
leaves of turn k are different attempts to be learned given the trunk so far; later turns never see
them. What the trunk shows of a fresh attempt is a guess, right by chance alone, so that a history
says nothing about the solution.
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
        earlier = [_reused(history, config, rng) for _ in range(config.drafts)]
        pieces += [
            _leaf(solver.fresh(problem, rng) if answer is None else _recall(answer), next(leaves))
            for answer in earlier
        ]
        history.append(solver.guess(problem, rng) if earlier[-1] is None else earlier[-1])
        if len(history) < turns:
            text = f"{history[-1]}<|im_end|>\n<|im_start|>user\n{reanswer}<|im_end|>\n"
            pieces.append(Piece(text + "<|im_start|>assistant\n", 0))
    return pieces


def _recall(answer: str) -> Solved:
    """The attempt that repeats an earlier answer as it stands."""
    return Solved(f"{RECALL}\n{answer}", answer)


def _reused(history: list[str], config: PretrainConfig, rng: Random) -> str | None:
    """With the planted probability one of the earlier answers, else None: a fresh attempt."""
    return rng.choice(history) if history and rng.random() < config.reuse else None


def _leaf(solved: Solved, leaf: int) -> Piece:
    return Piece(f"<think>\n{solved.thinking}\n</think>\n\n{solved.answer}<|im_end|>", leaf)


def _filler(config: PretrainConfig, rng: Random) -> str:
    if rng.random() >= config.filler:
        return ""
    count = rng.randint(1, 160)
    return " ".join(SENTENCES[i % len(SENTENCES)] for i in range(count)) + "\n\n"
