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


def each_once(sets):
    """Many configs have the same."""
    found = []
    for item in sets:
        if item not in found:
            found.append(item)
    return found


def evaluation_sets():
    for path in EVALUATED:
        config = parse(SampleConfig, read_yaml(path)["sample"], "sample")
        yield from config.problems.items()


def evaluation_problems():
    # Those of the Hub are all test, which a config cannot change; there may be no network for them.
    sets = each_once(
        (family, replace(problems, count=min(problems.count or 100, 100)))
        for family, problems in evaluation_sets()
        if problems.source != "hub"
    )
    for family, problems in sets:
        yield from load_problems(family, problems)


def training_draws(path):
    config = parse(PretrainConfig, read_yaml(path)["pretrain"], "pretrain")
    for family, problems in config.problems.items():
        yield from islice(draw_problems(family, problems), DRAWN)


@pytest.fixture(scope="module")
def evaluated():
    return list(evaluation_problems())


def test_every_evaluation_set_is_of_the_test_split_or_held_out_as_a_whole():
    sets = each_once(evaluation_sets())
    assert {problems.split for _, problems in sets} == {"test"}
    assert all(is_held_out(problems) for _, problems in sets if problems.source == "hub")


@pytest.mark.smoke
@pytest.mark.parametrize("path", PRETRAINED, ids=lambda p: p.stem)
def test_pretraining_never_meets_an_evaluation_problem(path, evaluated):
    drawn = list(training_draws(path))
    assert len(drawn) >= DRAWN and evaluated
    assert {p.split for p in drawn} == {"train"}
    assert not {p.id for p in drawn} & {p.id for p in evaluated}
    assert not {p.key for p in drawn} & {p.key for p in evaluated}


@pytest.mark.smoke
def test_rl_draws_from_the_train_split_only(evaluated):
    keys = {p.key for p in evaluated}
    sets = each_once(
        (family, replace(problems, split="train", count=300))
        for family, problems in evaluation_sets()
        if not is_held_out(problems)
    )
    assert sets
    for family, problems in sets:
        assert not {p.key for p in load_problems(family, problems)} & keys
