import pytest

from experiment import experiment_from
from sample.errors import UsageError
from train.grid import expand

CONFIG = {
    "name": "x",
    "sample": {
        "models": {"base": {"path": "a"}},
        "problems": {"toy": {"task": "countdown"}},
        "arms": {"parallel": {"strategy": "parallel"}},
    },
    "train": {"methods": {"single": {"histories": False}, "diverse": {"rewards": {"toy": {}}}}},
}
NOVELTY = "train.methods.diverse.rewards.toy.novelty=0.5,2"


def methods(*grid):
    return experiment_from(expand(CONFIG, grid)).section("train").methods


def test_a_key_of_a_method_makes_cells_of_that_method_alone():
    cells = methods(NOVELTY)
    assert list(cells) == ["single", "diverse-novelty0.5", "diverse-novelty2"]
    assert [c.reward("toy").novelty for c in cells.values()] == [0, 0.5, 2]


def test_a_key_of_train_crosses_every_method():
    made = experiment_from(expand(CONFIG, (NOVELTY, "train.learning_rate=1e-3,5e-4")))
    train = made.section("train")
    assert len(train.methods) == 2 + 2 * 2
    own = train.of("diverse-novelty2-learning_rate5e-4")
    assert own.learning_rate == 5e-4
    assert train.of("single-learning_rate1e-3").learning_rate == 1e-3


def test_a_method_that_goes_on_from_another_does_so_from_the_cell_of_the_same_values():
    config = {**CONFIG, "train": {"methods": {"a": {}, "b": {"start": "a"}}}}
    both = expand(config, ("train.learning_rate=1e-3,2e-3", "train.methods.b.set.steps=3,4"))
    cells = experiment_from(both).section("train").methods
    assert {name: cell.start for name, cell in cells.items() if cell.start} == {
        f"b-learning_rate{rate}-steps{steps}": f"a-learning_rate{rate}"
        for rate in ("1e-3", "2e-3") for steps in (3, 4)
    }  # fmt: skip
    with pytest.raises(UsageError, match="b goes on from a, which would become several"):
        expand(config, ("train.methods.a.set.steps=3,4",))


def test_values_may_be_lists_and_keys_that_end_alike_are_told_apart():
    cells = methods("train.methods.diverse.histories.depths=[1,1],[0,1]")
    assert [c.history.depths for c in cells.values() if c.history] == [(1, 1), (0, 1)]
    keys = ("train.methods.diverse.set.kl=0.1,0.2", "train.methods.diverse.rewards.toy.length=1,2")
    assert "diverse-kl0.1-length1" in methods(*keys)
    both = methods("train.kl=0,0.1", "train.methods.single.set.kl=0.2,0.3")
    assert len(both) == 4 + 2


def test_the_config_itself_is_left_alone():
    before = str(CONFIG)
    expand(CONFIG, (NOVELTY,))
    assert str(CONFIG) == before


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ("sample.attempts=1,2", "takes train.KEY"),
        ("train.learning_rate", "takes train.KEY"),
        ("train.seeds=1,2", "with one of steps"),
        ("train.methods.double.set.kl=1", "one of single, diverse"),
        ("train.kl=[1", "not valid YAML"),
    ],
)
def test_what_cannot_be_a_grid_is_refused(grid, says):
    with pytest.raises(UsageError, match=says):
        expand(CONFIG, (grid,))


def test_a_key_given_twice_and_a_config_without_methods_are_refused():
    with pytest.raises(UsageError, match="each key once"):
        expand(CONFIG, (NOVELTY, NOVELTY))
    with pytest.raises(UsageError, match=r"needs a config with train\.methods"):
        expand({"name": "x"}, (NOVELTY,))
