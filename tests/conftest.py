"""Shared by all tests: one torch thread, no progress of third parties, no limit on time."""

import gc
import os

import pytest
from hypothesis import HealthCheck, settings
from one_process import one_process

# What is imported to collect the tests stays: no collection of garbage need walk through it.
gc.disable()

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A busy machine is slow, and no test is about timing.
settings.register_profile("forage", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("forage")


@pytest.fixture
def in_this_process():
    with one_process():
        yield


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
