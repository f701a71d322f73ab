from dataclasses import replace

import pytest
import yaml
from msgspec import structs

from sample.config import ProblemConfig
from sample.errors import UsageError
from sample.families import load_problems
from sample.records import Attempt, Failure, Ledger
from sample.runfolder import RunFolder
from sample.store import AttemptStore
from train.dataset import Plan, Slot
from train.method_config import HistoryConfig
from train.replay import read_replay

OPTIONS = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}
TRAIN = ProblemConfig("chain_sum", options=OPTIONS, split="train", count=3)
CONFIG = {
    "models": {"base": {"path": "a"}},
    "arms": {"walk": {"strategy": "sequential"}, "masked": {"strategy": "masked"}},
}


def recorded(path, texts, split="train", arm="walk", failed=None):
    """A run with one chain of these texts on each problem; the first text is the correct one."""
    folder = RunFolder(path)
    path.mkdir()
    family = {"task": "chain_sum", "options": OPTIONS, "split": split, "count": 3}
    folder.config.write_text(yaml.safe_dump({"sample": {**CONFIG, "problems": {"sum": family}}}))
    problems = load_problems("sum", replace(TRAIN, split=split))
    with AttemptStore(folder.attempts) as store:
        for problem in problems:
            for step, text in enumerate(texts, 1):
                failure = Failure("timeout", "late") if step == failed else None
                store.append(Attempt("sum", problem.id, arm, "base", 0, step, 7, "", text, text,
                                     text, step == 1, "error" if failure else "stop",
                                     Ledger(5, None, 0, 2, 0.1), failure))  # fmt: skip
    return str(path), problems


def plan_of(replay):
    return Plan(replay.families, 2, 4, (1, "train", "m", 0), HistoryConfig())


def test_histories_are_the_beginnings_of_recorded_chains(tmp_path):
    path, problems = recorded(tmp_path / "run", ["x", "y", "z"])
    replay = read_replay(path, {"sum": TRAIN}, frozenset({problems[0].key}))
    assert replay.families == {"sum": problems[1:]}
    plan = plan_of(replay)
    shown = [replay.answers(plan, Slot(0, 0, problems[1], depth)) for depth in range(5)]
    assert shown == [(), ("x",), ("x", "y"), ("x", "y", "z"), ("x", "y", "z")]


def test_a_chain_ends_before_a_failure(tmp_path):
    path, problems = recorded(tmp_path / "run", ["x", "y", "z"], failed=2)
    replay = read_replay(path, {"sum": TRAIN}, frozenset())
    assert replay.answers(plan_of(replay), Slot(0, 0, problems[0], 3)) == ("x",)


def test_solved_or_unsolved_chains_are_chosen_where_there_are_any(tmp_path):
    path, problems = recorded(tmp_path / "run", ["x", "y"])
    replay = read_replay(path, {"sum": TRAIN}, frozenset())
    (chain,) = replay.chains[problems[0].id]
    wrong = tuple(structs.replace(one, text="w", correct=False) for one in chain)
    mixed = replace(replay, chains={problems[0].id: [chain, wrong]})
    plan = plan_of(replay)
    for group in range(8):
        slots = [Slot(0, group, problems[0], 2, solved=asked) for asked in (True, False)]
        assert [mixed.answers(plan, s) for s in slots] == [("x", "y"), ("w", "w")]
    assert replay.answers(plan, slots[1]) == ("x", "y")


@pytest.mark.parametrize(
    ("changes", "family", "says"),
    [
        ({"split": "test"}, TRAIN, "split: train, as test and dev problems"),
        ({"arm": "masked"}, TRAIN, "attempts of the strategies parallel or sequential"),
        ({}, replace(TRAIN, prompt="Say: {question}"), "prompt"),
    ],
)
def test_what_must_not_be_trained_on_is_refused(tmp_path, changes, family, says):
    path, _ = recorded(tmp_path / "run", ["x"], **changes)
    with pytest.raises(UsageError, match=says):
        read_replay(path, {"sum": family}, frozenset())


def test_chains_that_were_graded_by_their_traces_teach_nothing_of_answers(tmp_path):
    path, _ = recorded(tmp_path / "run", ["x"])
    with pytest.raises(UsageError, match=r"problems\.sum\.graded: expected 'trace'"):
        # Not what a config can ask for of a family that is trained on; the reverse of it can be.
        read_replay(path, {"sum": odd(TRAIN)}, frozenset())


def odd(family):
    """Graded otherwise than mathematics alone allows."""
    other = replace(family)
    object.__setattr__(other, "graded", "trace")
    return other


def test_a_set_that_was_not_recorded_is_refused(tmp_path):
    path, _ = recorded(tmp_path / "run", ["x"])
    with pytest.raises(UsageError, match="a set of that name"):
        read_replay(path, {"other": TRAIN}, frozenset())
    with pytest.raises(UsageError, match="cannot read"):
        read_replay(str(tmp_path / "absent"), {"sum": TRAIN}, frozenset())
