"""No evaluation problem enters pre-training or RL, by content hash, in any shipped config."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from sample.config import SampleConfig, parse, read_yaml
from sample.families import draw_problems, is_held_out, load_problems
from train.pretrain.config import PretrainConfig

CONFIGS = Path(__file__).parents[1] / "configs"
EVALUATED = sorted(
    p for p in CONFIGS.rglob("*.yaml") if "sample" in read_yaml(p)
)  # fmt: skip
PRETRAINED = sorted((CONFIGS / "pretrain").glob("*.yaml"))
DRAWN = 1500


def evaluation_problems(path):
    config = parse(SampleConfig, read_yaml(path)["sample"], "sample")
    for family, problems in config.problems.items():
        assert problems.split == "test"
        if problems.source == "hub":
            # All of it is test, which a config cannot change; there may be no network to load it.
            assert is_held_out(problems)
        else:
            yield from load_problems(
                family, replace(problems, count=min(problems.count or 100, 100))
            )


def training_draws(path):
    config = parse(PretrainConfig, read_yaml(path)["pretrain"], "pretrain")
    for family, problems in config.problems.items():
        yield from islice(draw_problems(family, problems), DRAWN)


@pytest.fixture(scope="module")
def evaluated():
    return [p for path in EVALUATED for p in evaluation_problems(path)]


@pytest.mark.parametrize("path", PRETRAINED, ids=lambda p: p.stem)
def test_pretraining_never_meets_an_evaluation_problem(path, evaluated):
    drawn = list(training_draws(path))
    assert len(drawn) >= DRAWN and evaluated
    assert {p.split for p in drawn} == {"train"}
    assert not {p.id for p in drawn} & {p.id for p in evaluated}
    assert not {p.key for p in drawn} & {p.key for p in evaluated}


def test_rl_draws_from_the_train_split_only(evaluated):
    keys = {p.key for p in evaluated}
    for path in EVALUATED:
        config = parse(SampleConfig, read_yaml(path)["sample"], "sample")
        for family, problems in config.problems.items():
            if is_held_out(problems):
                continue
            used = load_problems(family, replace(problems, split="train", count=300))
            assert not {p.key for p in used} & keys
