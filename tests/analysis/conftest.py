"""The planted study, simulated and summarised once for all test files."""

import pytest
from planted import CONFIG, REUSE, SYSTEMS
from report_files import svg_alone
from simulated import simulate
from synthetic_summary import synthetic_summary, training_log

from analysis.config import RunInfo
from analysis.report.page import write_report
from analysis.summary import summarize


@pytest.fixture(scope="session")
def records():
    return list(simulate(REUSE, problems=400, steps=6, seed=1))


@pytest.fixture(scope="session")
def few(records):
    """Enough for everything but a verdict."""
    return [attempt for attempt in records if attempt.problem < "p0060"]


@pytest.fixture(scope="session")
def summary(records):
    run = RunInfo("run", created="2026-11-24T00:00:00+00:00")
    return summarize(records, CONFIG, SYSTEMS, run)


@pytest.fixture(scope="session")
def toy(summary):
    return summary["families"]["toy"]


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """The page of the synthetic summary, its tables beside it."""
    metrics = {"diverse-s0": training_log(10)}
    with svg_alone():
        return write_report(synthetic_summary(), tmp_path_factory.mktemp("run"), metrics)
