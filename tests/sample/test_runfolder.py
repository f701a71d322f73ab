import json
import subprocess
import sys

import pytest

from sample.config import read_yaml
from sample.errors import ForageError, UsageError
from sample.models import ScriptedModel, TransformersModel, VllmModel
from sample.provenance import environment, files_hash
from sample.runfolder import RunFolder, first_difference, run_hash, write_atomically

CONFIG = {
    "name": "x",
    "workers": 2,
    "sample": {
        "attempts": 8,
        "replicates": 1,
        "models": {"base": {"path": "m", "batch": 256}},
        "problems": {"sums": {"task": "chain_sum", "count": 3}},
        "arms": {"parallel": {"strategy": "parallel"}},
        "adapters": {},
    },
}


def changed(**sample):
    return {**CONFIG, "sample": {**CONFIG["sample"], **sample}}


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_a_run_is_begun_and_resumed(folder):
    with folder.locked():
        hashed = folder.open_run(CONFIG)
        assert folder.open_run(CONFIG) == hashed
    assert read_yaml(folder.config) == CONFIG


def test_another_config_is_refused_by_its_first_key(folder):
    with folder.locked():
        folder.open_run(CONFIG)
        with pytest.raises(UsageError, match=r"sample\.attempts is 8 there and 4 now"):
            folder.open_run(changed(attempts=4))
    assert read_yaml(folder.config) == CONFIG


@pytest.mark.parametrize(
    "model",
    [
        {"path": "m", "batch": 1},
        {"path": "m", "engine": "vllm", "arguments": {"enforce_eager": True}},
    ],
)
def test_workers_batch_and_engine_may_change(folder, model):
    models = {"base": model}
    other = {**changed(models=models), "workers": 1}
    assert run_hash(other) == run_hash(CONFIG) != run_hash(changed(attempts=4))
    with folder.locked():
        folder.open_run(CONFIG)
        folder.open_run(other)
    assert read_yaml(folder.config) == other


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ({"path": "m", "engine": "vllm", "arguments": {"quantization": "fp8"}}, "arguments is"),
        ({"engine": "openai", "model": "m"}, "openai cannot be seen .* without path beside engine"),
        (
            {"engine": "vllm", "path": "m", "dtype": "half"},
            "dtype is 'not given' there and 'half' now; us",
        ),
        ({"engine": "openai", "path": "n"}, r"base\.path is 'm' there and 'n' now; use an"),
    ],
)
def test_what_another_engine_cannot_go_on_with_is_said(folder, model, why):
    with folder.locked():
        folder.open_run(CONFIG)
        with pytest.raises(UsageError, match=why):
            folder.open_run(changed(models={"base": model}))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ("a.b", 1, 2)),
        ({"a": 1}, {"a": 1, "c": 3}, ("c", "not given", 3)),
        ({"a": {"x": 1}, "b": 1}, {"b": 1}, ("a", {"x": 1}, "not given")),
        ({"a": [1, 2]}, {"a": [1]}, ("a", [1, 2], [1])),
    ],
)
def test_first_difference(old, new, found):
    assert first_difference(old, new) == found


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match=r"holds thesis\.tex"), RunFolder(tmp_path).locked():
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_runs_cannot_share_a_folder(folder):
    code = (
        "import sys\nfrom pathlib import Path\nfrom sample.runfolder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('held')"
    )
    command = [sys.executable, "-c", code, str(folder.path)]
    with folder.locked():
        refused = subprocess.run(command, capture_output=True, text=True)
        assert "another forage process is at work" in refused.stderr
    assert subprocess.run(command, capture_output=True, text=True).stdout == "held\n"


def test_a_file_in_the_way_is_a_usage_error(tmp_path):
    (tmp_path / "run").write_text("x")
    with (
        pytest.raises(UsageError, match="use another -o DIR"),
        RunFolder(tmp_path / "run").locked(),
    ):
        pass


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "gone" / "a.json"
    with pytest.raises(ForageError, match="cannot write"):
        write_atomically(path, "x")
    kept = tmp_path / "a.json"
    write_atomically(kept, "old")
    (tmp_path / ".a.json.tmp").mkdir()
    with pytest.raises(ForageError):
        write_atomically(kept, "new")
    assert kept.read_text() == "old"


def test_the_manifest_keeps_each_environment_and_refuses_changed_inputs(folder):
    with folder.locked():
        folder.record({"python": "1"}, {"model base": None, "problems sums": "p"})
        folder.record({"python": "1"}, {"model base": "m"})
        folder.record({"python": "2"}, {"model base": None})
        manifest = json.loads(folder.manifest.read_text())
        assert manifest["environments"] == [{"python": "1"}, {"python": "2"}]
        assert manifest["hashes"] == {"model base": "m", "problems sums": "p"}
        with pytest.raises(UsageError, match="model base has changed"):
            folder.record({"python": "1"}, {"model base": "n"})


def test_a_model_hash_sees_every_weight_of_a_small_file_and_the_names(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(bytes(3_000_000))
    before = files_hash(str(tmp_path))
    file.write_bytes(bytes(2_999_999) + b"x")
    after = files_hash(str(tmp_path))
    file.rename(tmp_path / "other.safetensors")
    assert len({before, after, files_hash(str(tmp_path))}) == 3


def test_a_single_file_has_the_hash_of_its_content(tmp_path):
    file = tmp_path / "options.yaml"
    file.write_text("{reuse: 0.5}")
    before = files_hash(str(file))
    file.write_text("{reuse: 0.6}")
    assert None is not before != files_hash(str(file))


def test_the_environment_says_how_far_each_engine_is_deterministic():
    models = [ScriptedModel(), VllmModel("m"), TransformersModel("m")]
    said = environment(1, models)["determinism"]
    assert set(said) == {"scripted", "vllm", "transformers"}
    assert said["vllm"] != said["transformers"]


def test_a_model_that_is_not_here_has_no_hash():
    assert files_hash("nobody/no-such-model") is None
    assert files_hash("/no/such/folder") is None
