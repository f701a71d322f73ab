from sample.asked import arms_on, attempts_asked
from sample.config import ArmConfig, ProblemConfig, SampleConfig
from sample.models import TransformersModel


def test_arms_run_on_the_systems_they_name():
    arms = {"everywhere": ArmConfig("parallel"), "base": ArmConfig("parallel", systems=("base",))}
    problems = {"sums": ProblemConfig("chain_sum")}
    config = SampleConfig({"base": TransformersModel("m")}, problems, arms)
    assert list(arms_on(config, "base")) == ["everywhere", "base"]
    assert list(arms_on(config, "diverse-s0")) == ["everywhere"]


def test_attempts_asked_counts_each_arm_only_where_it_runs():
    config = SampleConfig(
        models={"base": TransformersModel("a")},
        problems={"one": ProblemConfig("countdown", count=3), "two": ProblemConfig("x", count=4)},
        arms={"parallel": ArmConfig("parallel"), "control": ArmConfig("filler", ("base",))},
        attempts=5,
        replicates=2,
    )
    assert attempts_asked(config, ["base"]) == {"one": 3 * 2 * 5 * 2, "two": 4 * 2 * 5 * 2}
    both = attempts_asked(config, ["base", "diverse-s0"])
    assert both == {"one": 3 * 2 * 5 * 3, "two": 4 * 2 * 5 * 3}
    assert attempts_asked(config, []) == {"one": 0, "two": 0}
    assert attempts_asked(config, ["base"], {"one": 2}) == {"one": 2 * 2 * 5 * 2}
