"""A run asked for more makes what is new, and nothing again."""

import pytest

from experiment import experiment_from, resolved
from sample.config import config_systems
from sample.errors import UsageError
from sample.run import at_work
from sample.runfolder import RunFolder
from sample.stage import make_attempts, problems_of
from sample.store import read_attempts

pytestmark = pytest.mark.usefixtures("in_this_process")
PARALLEL = {"parallel": {"strategy": "parallel"}}
PAIRED = {**PARALLEL, "others": {"strategy": "other_problems"}}


def make(folder, count=4, replicates=1, arms=PARALLEL, model=None, margin=0.03, **more):
    """Give a run these attempts; returns its records by key."""
    sample = {
        "models": {"base": model or {"engine": "scripted"}},
        "problems": {"sums": {"task": "chain_sum", "count": count}, **more.pop("sets", {})},
        "arms": arms,
        "attempts": 3,
        "replicates": replicates,
        **more,
    }
    experiment = experiment_from({"name": "x", "sample": sample, "analyze": {"margin": margin}})
    assert experiment.sample is not None
    with at_work(folder, resolved(experiment)) as run:
        problems = problems_of(folder, experiment.sample)
        make_attempts(run, experiment.sample, config_systems(experiment.sample), problems)
    return {attempt.key: attempt for attempt in read_attempts(folder.attempts)}


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_more_of_everything_is_added_and_nothing_made_again(folder, tmp_path):
    begun = make(folder)
    sets = {"targets": {"task": "countdown", "count": 2}}
    more = {"count": 6, "replicates": 2, "arms": PAIRED, "sets": sets}
    grown = make(folder, **more)
    assert len(begun) == 4 * 3 and len(grown) == (6 + 2) * 2 * 2 * 3
    assert {key: grown[key] for key in begun} == begun
    assert len({attempt.config for attempt in grown.values()}) == 2
    assert {attempt.engine for attempt in grown.values()} == {"scripted"}
    (step,) = folder.read_manifest()["extensions"]
    assert step["more"] == [
        "replicates 1 -> 2", "problems.sums 4 -> 6", "problems.targets", "arms.others"
    ]  # fmt: skip
    fresh = make(RunFolder(tmp_path / "fresh"), **more)
    assert {k: (a.seed, a.text) for k, a in fresh.items()} == {
        k: (a.seed, a.text) for k, a in grown.items()
    }


def test_records_carry_the_hashes_of_the_config_and_of_what_it_was_extended_from(folder):
    def hashes():
        return {attempt.config for attempt in read_attempts(folder.attempts)}

    make(folder)
    assert set(folder.config_hashes()) == hashes()
    make(folder, count=6)
    make(folder, count=6, replicates=2)
    assert len(hashes()) == 3 and set(folder.config_hashes()) == hashes()


def test_a_config_that_was_edited_is_not_that_of_the_records(folder):
    def edit(line, other):
        folder.config.write_text(folder.config.read_text().replace(line, other))

    make(folder)
    (begun,) = folder.config_hashes()
    edit("workers: 1", "workers: 2")
    assert folder.config_hashes() == [begun]
    edit("margin: 0.03", "margin: 0.2")
    assert begun not in folder.config_hashes()
    edit("margin: 0.2", "margin: 0.03")
    make(folder, count=6)
    assert begun in folder.config_hashes()
    edit("margin: 0.03", "margin: 0.2")
    assert begun not in folder.config_hashes()


def test_an_edit_is_not_hidden_by_an_extension(folder):
    make(folder)
    (begun,) = folder.config_hashes()
    folder.config.write_text(folder.config.read_text().replace("margin: 0.03", "margin: 0.2"))
    make(folder, count=6, margin=0.2)
    assert len(folder.config_hashes()) == 2 and begun not in folder.config_hashes()


def test_a_set_may_grow_twice_and_is_checked_each_time(folder):
    make(folder)
    make(folder, count=5)
    assert len(make(folder, count=7)) == 7 * 3
    hashes = folder.read_manifest()["hashes"]
    sets = ("problems sums", "problems sums, first 4", "problems sums, first 5")
    assert len({hashes[name] for name in sets}) == 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"count": 3}, "sample.problems.sums.count is 4 there and 3 now"),
        ({"attempts": 4}, "sample.attempts is 3 there and 4 now"),
        ({"model": {"engine": "scripted", "reuse": 0.5}}, "sample.models.base.reuse is 0.0"),
        ({"arms": {"parallel": {"strategy": "sequential"}}}, "sample.arms.parallel.strategy"),
        ({"count": 5, "decoding": {"temperature": 0.5}}, "sample.decoding.temperature"),
    ],
)
def test_less_or_other_is_refused(folder, change, why):
    begun = make(folder)
    with pytest.raises(UsageError, match=why):
        make(folder, **change)
    assert make(folder) == begun


def test_partners_never_change(folder):
    make(folder, count=5, arms=PAIRED)
    with pytest.raises(UsageError, match="cannot grow from 5, an odd number: arm 'others'"):
        make(folder, count=6, arms=PAIRED)


def training(methods, seeds, **more):
    """The resolved config of a run that trains these."""
    sample = {
        "models": {"base": {"path": "models/anchored"}},
        "problems": {"sums": {"task": "chain_sum", "count": 4}},
        "arms": PARALLEL,
        "attempts": 3,
    }
    train = {"methods": methods, "seeds": seeds, **more}
    return resolved(experiment_from({"name": "x", "sample": sample, "train": train}))


def test_methods_and_seeds_may_be_added_and_nothing_else_of_training_changed(folder):
    history, single = {"histories": True}, {"histories": False}
    with folder.locked():
        folder.open_run(training({"history": history}, [0]))
        folder.open_run(training({"history": history, "single": single}, [0, 1]))
        (step,) = folder.read_manifest()["extensions"]
        assert step["more"] == ["train.methods.single", "train.seeds 1"]
        for other, why in (
            (training({"history": history}, [0, 1]), "train.methods.single"),
            (training({"history": history, "single": single}, [1]), "train.seeds"),
            (training({"history": single, "single": single}, [0, 1]), "methods.history.histories"),
            (training({"history": history, "single": single}, [0, 1], steps=7), "train.steps"),
        ):
            with pytest.raises(UsageError, match=why):
                folder.open_run(other)


def test_seeds_in_another_order_and_the_first_encoder_may_be_added(folder):
    history = {"histories": True}
    measured = {"rewards": {"sums": {"novelty": 1.0, "measure": "embedding"}}}
    methods = {"measured": measured, "history": history}
    with folder.locked():
        folder.open_run(training({"history": history}, [0, 1]))
        folder.open_run(training({"history": history}, [2, 1, 0]))
        folder.open_run(training({"history": history}, [0, 1, 2]))
        folder.open_run(training(methods, [0, 1, 2], encoder="models/anchored"))
        said = [step["more"] for step in folder.read_manifest()["extensions"]]
        assert said == [
            ["train.seeds 2"], ["train.seeds in another order"], ["train.methods.measured"]
        ]  # fmt: skip
        for encoder in (None, "models/unanchored"):
            with pytest.raises(UsageError, match=r"train\.encoder"):
                folder.open_run(training(methods, [0, 1, 2], encoder=encoder))
