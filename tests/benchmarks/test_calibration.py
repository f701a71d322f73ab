"""The tables of the calibration, from a handful of small studies."""

import pytest

from benchmarks.calibration import Job, kept, markdown, run, tables
from benchmarks.measures import mean


@pytest.fixture(scope="module")
def truth():
    return {"mixture": dict(mean(run(Job("truth", "mixture", 200, 0, 2, 100))))}


@pytest.fixture(scope="module")
def found(truth):
    jobs = [
        Job("drawn", "mixture", 30, 0, 3, 100, truth["mixture"]),
        Job("made", "mixture", 3, 0, 1, 100, truth["mixture"]),
        Job("pool", "mixture", 30, 0, 2, 100, pool=60),
        Job("closed", "unchanged", 30, 0, 2, 100),
    ]
    return {job.cell: run(job) for job in jobs}


def test_the_planted_shares_sum_to_the_gap(truth):
    true = truth["mixture"]
    parts = true["aggregator"] + true["context"] + true["exposure"]
    assert parts == pytest.approx(true["gap"]) and true["gap"] > 0.1


def test_a_study_is_the_same_however_the_jobs_are_cut(found, truth):
    alone = run(Job("drawn", "mixture", 30, 2, 1, 100, truth["mixture"]))
    assert alone == found["drawn", "mixture", 30][2:]


def test_what_is_kept_is_what_the_job_says(found, tmp_path):
    job = Job("closed", "unchanged", 30, 0, 2, 100)
    assert kept(tmp_path, job) == kept(tmp_path, job) == found[job.cell]
    (tmp_path / job.file).write_text("[]")
    assert kept(tmp_path, job) == []


def test_every_cell_has_its_row(found, truth):
    shown = list(tables(found, truth))
    assert len(shown) == 10
    for title, columns, rows in shown:
        assert all(len(row) == len(columns) for row in rows) and len(rows) == 1
        assert markdown(title, columns, rows).count("\n|") == 3


def test_an_unchanged_gap_is_not_called_closed(found):
    assert not any(outcome["CLOSED"] for outcome in found["closed", "unchanged", 30])
