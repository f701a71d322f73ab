import asyncio

import pytest
from doubles import EchoEngine, attempt, walk

from sample.config import ArmConfig, ProblemConfig, SampleConfig, System
from sample.errors import UsageError
from sample.models import TransformersModel
from sample.runfolder import RunFolder
from sample.scheduler import Plan, run_system
from sample.store import read_attempts
from sample.strategies import arm_options, check_arms, find_strategy, strategy_hashes
from sample.strategies.catalogue import describe
from sample.workers import load_all, sample_systems

SOURCE = '''
from __future__ import annotations

from dataclasses import dataclass

from sample.prompts import user
from sample.strategies.base import Arm, Chain


@dataclass(frozen=True)
class Options:
    """again: what is asked. pool: the arm to read."""

    again: str
    pool: Arm = "parallel"


async def nudged(chain: Chain) -> None:
    """Each attempt is nudged.

    By the pool."""
    pool = await chain.others(chain.options.pool)
    for step in chain.steps:
        await chain.attempt(step, user(f"{chain.options.again} {pool[step - 1].text}"))


async def lazy(chain: Chain) -> None:
    """Too few."""
    await chain.attempt(1, user("?"))


async def eager(chain: Chain) -> None:
    """One too many."""
    for step in range(1, chain.attempts + 2):
        await chain.attempt(step, user("?"))


async def curious(chain: Chain) -> None:
    """Reads what it does not name."""
    await chain.others("other")


def not_async(chain: Chain) -> None:
    pass
'''


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_a_users_strategy_is_one_like_any_other(file):
    name = f"{file}:nudged"
    row = describe(name, find_strategy(name))
    assert row.rule == "Each attempt is nudged."
    assert [option.meaning for option in row.options] == ["what is asked.", "the arm to read."]
    arms = {"mine": ArmConfig(name, options={"again": "Hm"}), "parallel": ArmConfig("parallel")}
    check_arms(arms)
    pool = [attempt(step=step, text=f"p{step}") for step in (1, 2)]
    seen = walk(name, others={"parallel": pool}, attempts=2, again="Hm")
    assert seen.said(2) == ["Hm p2"]


def test_its_options_are_checked(file):
    name = f"{file}:nudged"
    with pytest.raises(UsageError, match=r"not in sample\.arms"):
        check_arms({"mine": ArmConfig(name, options={"again": "?"})})
    with pytest.raises(UsageError, match="did you mean 'again'"):
        arm_options("mine", ArmConfig(name, options={"agian": "?"}))
    with pytest.raises(UsageError, match=r"mine\.options\.again.*required"):
        arm_options("mine", ArmConfig(name))


@pytest.mark.parametrize(
    ("change", "name", "what"),
    [
        ("", "{file}:nugded", r"no 'async def nugded\(chain\)'; its async functions: nudged, lazy"),
        ("", "{file}:not_async", "no 'async def not_async"),
        ("", "nowhere/mine.py:nudged", "cannot read 'nowhere/mine.py'.*FILE.py:FUNCTION"),
        ("import nonsense", "{file}:nudged", "cannot be executed: ModuleNotFoundError"),
        ("def", "{file}:nudged", "cannot be executed: SyntaxError"),
        ("class Options: pass", "{file}:nudged", "must be a dataclass"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(file, change, name, what):
    file.write_text(f"{SOURCE}\n{change}")
    with pytest.raises(UsageError, match=what) as error:
        find_strategy(name.format(file=file))
    assert "\n" not in str(error.value)


def test_its_content_is_hashed_and_a_changed_file_is_read_anew(file):
    arms = {"mine": ArmConfig(f"{file}:lazy"), "parallel": ArmConfig("parallel")}
    before = strategy_hashes(arms)
    assert list(before) == [f"strategy {file}:lazy"]
    assert find_strategy(f"{file}:lazy").rule == "Too few."
    file.write_text(SOURCE.replace("Too few", "Too many"))
    assert strategy_hashes(arms) != before
    assert find_strategy(f"{file}:lazy").rule == "Too many."


async def load_echo(systems, problems, decoding):
    for _ in systems:
        yield EchoEngine()


MODEL = TransformersModel("m", batch=2)


def config_of(**arms):
    problems = {"sums": ProblemConfig("chain_sum", count=5)}
    arms = {"parallel": ArmConfig("parallel"), **arms}
    return SampleConfig({"base": MODEL}, problems, arms, attempts=2)


def sample_here(**arms):
    """The records of a run in this process."""
    config, made = config_of(**arms), []
    groups = tuple((problem, 0) for problem in load_all(config))
    plan = Plan("base", config.arms, groups, 2, config.decoding, 1, "abc")
    asyncio.run(run_system(EchoEngine(), plan, (), made.append, 8))
    return contents(made)


def contents(made):
    return {(*attempt.key, attempt.seed, attempt.text) for attempt in made}


@pytest.mark.smoke
def test_it_and_partners_work_in_spawned_workers(file, tmp_path):
    arms = {
        "mine": ArmConfig(f"{file}:nudged", options={"again": "Hm"}),
        "elsewhere": ArmConfig("other_problems", options={"pool": "mine"}),
    }
    config, folder = config_of(**arms), RunFolder(tmp_path)
    systems = [System("base", "base", MODEL)]
    sample_systems(
        systems, config, load_all(config), folder, seed=1, workers=2, hashed="abc", load=load_echo
    )
    made = contents(read_attempts(folder.attempts))
    assert made == sample_here(**arms) and len(made) == 5 * 3 * 2


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("lazy", "arm 'mine' left out attempt 2 of 2"),
        ("eager", "asked for attempt 3 of 2"),
        ("curious", "reads arm 'other'.*field of type Arm"),
    ],
)
def test_a_walk_that_breaks_the_rules_ends_the_run_with_the_reason(file, function, what):
    with pytest.raises(UsageError, match=what):
        sample_here(mine=ArmConfig(f"{file}:{function}", options={"again": "Hm"}))
