"""Shared by all tests: one torch thread, no progress of third parties, no limit on time."""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A busy machine is slow, and no test is about timing.
settings.register_profile("forage", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("forage")
