"""The verbs on files that others made, or will read, through the real command."""

import json

import numpy as np
import pytest

import forage
from sample.errors import UsageError
from sample.records import Attempt, Ledger
from sample.store import AttemptStore

MAP = "problem=id,correct=ok,answer=pred,arm=mode,step=turn"


def command(*words):
    forage.cli.main([str(word) for word in words], standalone_mode=False)


@pytest.fixture
def table(tmp_path):
    """Ten problems, three parallel attempts and a chain of three each."""
    rows = [
        f"p{i},{mode},{turn if mode == 'sequential' else ''},{i * turn % 4},{i * turn % 4 == 1}"
        for i in range(10)
        for mode in ("parallel", "sequential")
        for turn in (1, 2, 3)
    ]
    path = tmp_path / "tries.csv"
    path.write_text("\n".join(["id,mode,turn,pred,ok", *rows]))
    return path


@pytest.fixture
def run(tmp_path):
    """A folder that holds one record."""
    attempt = Attempt("f", "p", "parallel", "base", 0, 1, 7, "", "3", "3", "3", True, "stop",
                      Ledger(5, None, 0, 2, 0.1))  # fmt: skip
    (tmp_path / "run").mkdir()
    with AttemptStore(tmp_path / "run" / "attempts.jsonl") as store:
        store.append(attempt)
    return tmp_path / "run"


def test_a_table_becomes_a_summary_and_a_report(table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command("analyze", table, "--columns", MAP, "--set", "analyze.resamples=200")
    folder = tmp_path / "runs" / "tries"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["run"]["name"] == "tries" and summary["settings"]["N"] == 3
    assert summary["settings"]["fixed_before_sampling"] is False
    assert summary["families"]["data"]["systems"]["base"]["gaps"]["majority"]["n"] == 10
    assert (folder / "report.html").exists()
    assert "the gap of base, on 10 shared problems" in capsys.readouterr().out


def test_what_does_not_go_together_is_refused(table, run):
    with pytest.raises(UsageError, match="--columns and its like are for files"):
        command("analyze", run, "--columns", MAP)
    with pytest.raises(UsageError, match="both have base, on the same problems"):
        command("analyze", run, run)
    with pytest.raises(UsageError, match="runs or files, not both at once"):
        command("analyze", run, table)
    with pytest.raises(UsageError, match="holds a run"):
        command("analyze", table, "--columns", MAP, "-o", run)
    with pytest.raises(UsageError, match=r"analyze\.KEY=VALUE"):
        command("analyze", table, "--columns", MAP, "--set", "sample.attempts=2")
    with pytest.raises(UsageError, match="unknown format"):
        command("analyze", table.rename(table.with_suffix(".xlsx")))


def test_vectors_go_with_a_run_and_fit_its_records(table, run, tmp_path):
    np.save(tmp_path / "v.npy", np.ones((2, 3)))
    with pytest.raises(UsageError, match="--vectors goes with a run"):
        command("analyze", table, "--columns", MAP, "--vectors", tmp_path / "v.npy")
    with pytest.raises(UsageError, match=r"shape \[1, dimension\]"):
        command("analyze", run, "--vectors", tmp_path / "v.npy")


def test_a_run_is_exported(run, tmp_path, capsys):
    command("export", run, "-o", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").exists()
    assert f"attempts: {tmp_path / 'out.parquet'}" in capsys.readouterr().out
