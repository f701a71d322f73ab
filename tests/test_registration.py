"""Settings are fixed before sampling if the records, not only config.yaml, say so."""

import json

import pytest
import yaml

import forage

pytestmark = pytest.mark.usefixtures("in_this_process")
CONFIG = {
    "name": "x",
    "sample": {
        "models": {"base": {"engine": "scripted"}},
        "problems": {"sums": {"task": "chain_sum", "count": 6}},
        "arms": {arm: {"strategy": arm} for arm in ("parallel", "sequential")},
        "attempts": 2,
        "replicates": 2,
    },
    "analyze": {"margin": 0.03, "resamples": 100},
}


def command(*words):
    forage.cli.main([str(word) for word in words], standalone_mode=False)


def analysed(run, verb="analyze"):
    command(verb, run)
    summary = json.loads((run / "summary.json").read_text())
    return summary["settings"], summary["warnings"]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(CONFIG))
    command("sample", tmp_path / "x.yaml", "-o", tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("verb", ["analyze", pytest.param("run", marks=pytest.mark.smoke)])
def test_an_edited_margin_was_not_fixed_before_sampling(run, verb):
    assert analysed(run)[0]["fixed_before_sampling"] is True
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("margin: 0.03", "margin: 0.3"))
    settings, warnings = analysed(run, verb)
    assert settings["margin"] == 0.3 and settings["fixed_before_sampling"] is False
    assert "config.yaml was changed after sampling began" in warnings[0]


def test_a_run_that_was_extended_keeps_its_settings(run):
    command("sample", run, "--set", "sample.problems.sums.count=8")
    settings, warnings = analysed(run)
    assert settings["fixed_before_sampling"] is True
    assert not any("not fixed" in warning for warning in warnings)
