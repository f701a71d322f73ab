import pytest

from analysis.stage import is_registered, write_report
from sample.errors import UsageError
from sample.runfolder import RunFolder

CONFIG = {"name": "x", "seed": 1, "analyze": {"margin": 0.03}}


def test_settings_are_registered_if_the_run_was_begun_with_them(tmp_path):
    folder = RunFolder(tmp_path)
    assert is_registered(folder, CONFIG, CONFIG)
    assert not is_registered(folder, CONFIG, {**CONFIG, "analyze": {"margin": 0.05}})
    with pytest.raises(UsageError, match="seed"):
        is_registered(folder, CONFIG, {**CONFIG, "seed": 2})


def test_a_report_needs_a_summary(tmp_path):
    with pytest.raises(UsageError, match="first: forage analyze"):
        write_report(RunFolder(tmp_path))
