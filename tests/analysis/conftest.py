"""The planted study, simulated and summarised once for all test files."""

import pytest
from planted import CONFIG, REUSE, SYSTEMS
from simulated import simulate

from analysis.config import RunInfo
from analysis.summary import summarize


@pytest.fixture(scope="session")
def records():
    return list(simulate(REUSE, problems=400, steps=6, seed=1))


@pytest.fixture(scope="session")
def summary(records):
    run = RunInfo("run", created="2026-11-24T00:00:00+00:00")
    return summarize(records, CONFIG, SYSTEMS, run)


@pytest.fixture(scope="session")
def toy(summary):
    return summary["families"]["toy"]
