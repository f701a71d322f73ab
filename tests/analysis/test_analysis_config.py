import pytest

from analysis.config import AnalysisConfig, SystemInfo, adapter_info, guess_info
from sample.errors import UsageError


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"margin": 0.0}, "analyze.margin"),
        ({"margin": 3.0}, "analyze.margin"),
        ({"alpha": 0.5}, "analyze.alpha"),
        ({"resamples": 10}, "analyze.resamples"),
        ({"seed": -1}, "analyze.seed"),
        ({"estimand": "both"}, "superpopulation, fixed"),
        ({"primary": {"math": "best"}}, "coverage, majority, accuracy, last"),
    ],
)
def test_bad_values_name_the_key_and_what_is_allowed(changes, key):
    with pytest.raises(UsageError) as caught:
        AnalysisConfig(**changes)
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)
    assert f"given: {next(iter(changes.values()))!r}" in str(caught.value) or "math" in str(
        caught.value
    )


def test_a_family_without_a_primary_uses_majority():
    config = AnalysisConfig(primary={"countdown": "coverage"})
    assert config.aggregator("countdown") == "coverage"
    assert config.aggregator("chain_sum") == "majority"


def test_method_and_seed_are_read_from_the_name():
    assert adapter_info("diverse-kl-s12", "base") == SystemInfo(
        "diverse-kl-s12", "base", "diverse-kl", 12
    )
    assert adapter_info("mine", "base") == SystemInfo("mine", "base", "mine", None)


def test_systems_not_in_the_config_are_judged_by_name():
    assert guess_info("diverse-s0", "base").base == "base"
    assert guess_info("unanchored", "base") == SystemInfo("unanchored")
    assert guess_info("model-s1", "model-s1").base is None
