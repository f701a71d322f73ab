"""Sampling without processes of its own, each of which takes a second to start."""

from contextlib import contextmanager

import pytest


def run_here(jobs, at_once, receive, tick=lambda: None):
    """``sample.processes.run_jobs``, but one job after the other and in this process."""
    for job in jobs:
        job.target(receive, *job.args)


@contextmanager
def one_process():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sample.workers.run_jobs", run_here)
        yield
