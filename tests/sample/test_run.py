import pytest

from sample.errors import ForageError, UsageError
from sample.run import at_work, find_existing_run, find_run, logged
from sample.runfolder import RunFolder

CONFIG = {"name": "x", "seed": 5, "workers": 2}


def test_a_config_means_the_folder_of_its_name_unless_told_otherwise(tmp_path):
    config = tmp_path / "any.yaml"
    config.write_text("name: mine\n")
    data, folder = find_run(config, None, ("seed=3",))
    assert data == {"name": "mine", "seed": 3}
    assert folder.path.parts == ("runs", "mine")
    assert find_run(config, tmp_path / "else", ())[1].path == tmp_path / "else"


def test_a_folder_of_records_alone_is_a_run_only_where_that_is_enough(tmp_path):
    bare = tmp_path / "two words"
    bare.mkdir()
    assert find_existing_run(bare, None)[0] == {"name": "two-words"}
    with pytest.raises(UsageError, match="cannot read"):
        find_run(bare, None, ())
    config = tmp_path / "any.yaml"
    config.write_text("name: mine\n")
    with pytest.raises(UsageError, match="first: forage run"):
        find_existing_run(config, tmp_path / "nowhere")
    table = tmp_path / "tries.csv"
    table.write_text("problem,correct\n1,1\n")
    with pytest.raises(UsageError, match=r"tries\.csv is a file, .* only run folders; forage an"):
        find_existing_run(table, None)


def test_a_run_at_work_holds_its_folder_and_knows_its_config(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with at_work(folder, CONFIG) as run:
        assert (run.seed, run.workers) == (5, 2) and folder.config.exists()
        with pytest.raises(UsageError, match="another forage process"), at_work(folder, CONFIG):
            pass
    with at_work(folder, {**CONFIG, "workers": 1}) as resumed:
        assert resumed.hashed == run.hashed


def test_only_an_unexpected_error_is_logged(tmp_path):
    log = tmp_path / "error.log"
    with pytest.raises(UsageError, match="plain"), logged(log):
        raise UsageError("plain")
    assert not log.exists()
    with pytest.raises(ForageError) as error, logged(log):
        raise KeyError("odd\nthing")
    assert str(error.value) == f"KeyError: 'odd\\nthing' (traceback in {log})"
    assert "Traceback" in log.read_text()
