import pytest

from analysis.stage import write_report
from sample.errors import UsageError
from sample.runfolder import RunFolder


def test_a_report_needs_a_summary(tmp_path):
    with pytest.raises(UsageError, match="first: forage analyze"):
        write_report(RunFolder(tmp_path))
