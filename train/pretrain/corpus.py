"""The reproducible stream of training documents: document i depends on the seed and i alone."""

from itertools import islice
from random import Random
from typing import Any

import torch
from torch.utils.data import Dataset

from sample.families import draw_problems
from sample.problems import Problem
from sample.seeds import derive_seed
from train.pretrain.config import PretrainConfig
from train.pretrain.packing import Document, encode, pack, targets, visible
from train.pretrain.solvers import ChainSum, Countdown, PythonFunctions, Solver
from train.pretrain.transcripts import write_document


def training_problems(config: PretrainConfig) -> list[list[Problem]]:
    """The problems of each family, in all their wordings; only the train split may be asked for."""
    for family, problems in config.problems.items():
        if problems.split != "train":
            raise ValueError(f"pretrain.problems.{family}.split must be 'train'")
    return [
        list(islice(draw_problems(family, problems), problems.count))
        for family, problems in config.problems.items()
    ]


def solver_of(problem: Problem, config: PretrainConfig) -> Solver:
    solvers = {
        "countdown": Countdown(),
        "chain_sum": ChainSum(config.slip),
        "compositions": PythonFunctions(),
    }
    return solvers[problem.metadata["task"]]


class Corpus(Dataset):
    """Document i, of one family or another with equal chance."""

    def __init__(self, config: PretrainConfig, problems: list[list[Problem]], tokenizer: Any):
        self.config = config
        self.problems = problems
        self.tokenizer = tokenizer
        self.solvers = [solver_of(family[0], config) for family in problems]

    def __len__(self) -> int:
        return self.config.steps * self.config.documents

    def __getitem__(self, index: int) -> Document:
        rng = Random(derive_seed("pretrain", self.config.seed, index))
        which = rng.randrange(len(self.problems))
        problem = rng.choice(self.problems[which])
        return encode(
            write_document(problem, self.solvers[which], self.config, rng), self.tokenizer
        )


def collate(documents: list[Document]) -> dict[str, torch.Tensor]:
    """Model inputs, and where (flat index) which leaf token is to be predicted."""
    rows = pack(documents)
    index, labels = targets(rows)
    return {
        "input_ids": torch.tensor([r.tokens.tolist() for r in rows]),
        "position_ids": torch.tensor([r.positions.tolist() for r in rows]),
        "attention_mask": visible(rows),
        "index": index,
        "labels": labels,
    }
