import pytest
from msgspec.structs import replace

from analysis.foreign.export import export_run, to_columns
from analysis.foreign.read import ForeignConfig, read_foreign
from analysis.foreign.rows import Row, to_attempts
from sample.errors import UsageError
from sample.records import Attempt, Failure, Ledger
from sample.store import AttemptStore

ROWS = [
    Row("p", True, "1/2", "0.5", arm="sequential", step=1, text="so 1/2\nthen", thinking="<hm>"),
    Row("p", None, None, None, arm="sequential", step=2, finish="error"),
    Row("q", False, "é", "é", system="m"),
    Row("q", True, "2", "2", system="m", finish="length", graded="trace"),
]


NAMES = (
    "family", "correct", "answer", "canonical", "finish", "text", "thinking", "graded",
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A run folder with a failed, an ungraded and an uncached attempt."""
    folder = tmp_path / "run"
    folder.mkdir()
    with AttemptStore(folder / "attempts.jsonl") as store:
        for i, attempt in enumerate(to_attempts(ROWS)):
            ledger = Ledger(7, None if i else 3, 2, 1, 0.5)
            failure = Failure("Timeout", "60 s") if attempt.finish == "error" else None
            made = replace(attempt, seed=2**63 + i, ledger=ledger, failure=failure)
            store.append(made)
        return folder, store.attempts


def test_a_table_that_is_read_back_holds_the_same_attempts(run, tmp_path):
    folder, _ = run
    path = export_run(folder, tmp_path / "out.parquet")
    back = {a.key: a for a in read_foreign([path], ForeignConfig()).attempts}
    for row in to_attempts(ROWS):
        found = back[row.key]
        for name in NAMES:
            assert getattr(found, name) == getattr(row, name)
        assert (found.ledger.prompt, found.ledger.thinking, found.ledger.answer) == (7, 2, 1)
    assert back["p", "sequential", "base", 0, 1].ledger.cached == 3
    assert back["p", "sequential", "base", 0, 2].ledger.cached is None


def test_the_types_of_the_table_are_fixed_even_where_all_is_null(run, tmp_path):
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(export_run(run[0], tmp_path / "out.parquet"))
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    assert kinds["correct"] == "bool" and kinds["seed"] == "uint64"
    assert kinds["cached_tokens"] == "int64" and kinds["failure_message"] == "string"
    assert set(kinds) == set(to_columns(to_attempts(ROWS)[0]))


def test_a_dataset_folder_is_loaded_by_datasets(run, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    export_run(run[0], tmp_path / "set")
    loaded = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    rows = loaded["train"]
    assert rows.num_rows == len(ROWS) and rows[0]["text"] == "so 1/2\nthen"
    assert rows[1]["correct"] is None and rows[1]["failure_type"] == "Timeout"


def test_targets_and_runs_that_cannot_be_meant(run, tmp_path):
    with pytest.raises(UsageError, match="there already"):
        export_run(run[0], run[0])
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "attempts.jsonl").touch()
    with pytest.raises(UsageError, match="no attempts yet"):
        export_run(empty, tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.jsonl", "x.Parquet", "x.parquet.gz"])
def test_a_file_of_another_format_is_refused_and_not_made_a_folder(run, tmp_path, name):
    with pytest.raises(UsageError, match=r"expected a file NAME\.parquet or a folder"):
        export_run(run[0], tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["set", "run-0.5", "v1.2"])
def test_a_folder_may_have_a_number_after_a_dot(run, tmp_path, name):
    assert export_run(run[0], tmp_path / name) == tmp_path / name / "data" / "attempts.parquet"


def test_every_field_of_an_attempt_has_its_column():
    columns = set(to_columns(to_attempts(ROWS)[0]))
    assert set(Attempt.__struct_fields__) - {"ledger", "failure"} <= columns
