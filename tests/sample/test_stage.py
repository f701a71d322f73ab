from sample.config import ArmConfig, ProblemConfig, SampleConfig
from sample.models import TransformersModel
from sample.stage import attempts_asked


def test_attempts_asked_counts_each_arm_only_where_it_runs():
    config = SampleConfig(
        models={"base": TransformersModel("a")},
        problems={"one": ProblemConfig("countdown", count=3), "two": ProblemConfig("x", count=4)},
        arms={"parallel": ArmConfig("parallel"), "control": ArmConfig("filler", ("base",))},
        attempts=5,
        replicates=2,
    )
    assert attempts_asked(config, ["base"]) == (3 + 4) * 2 * 5 * 2
    assert attempts_asked(config, ["base", "diverse-s0"]) == (3 + 4) * 2 * 5 * 3
    assert attempts_asked(config, []) == 0
