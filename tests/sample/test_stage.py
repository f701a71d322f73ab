import json

import pytest

from sample.config import ArmConfig, ProblemConfig, SampleConfig, config_systems
from sample.errors import UsageError
from sample.models import ScriptedModel
from sample.run import Run
from sample.runfolder import RunFolder
from sample.stage import make_attempts, problems_of


def test_code_problems_need_the_sandbox_before_any_attempt_is_made(tmp_path, monkeypatch):
    rows = {
        "code": {"question": "f(x) = x", "entry": "f", "tests": [{"args": [1], "expected": 1}]},
        "math": {"question": "1 + 1", "answer": "2"},
    }
    begun = []

    def refuse():
        raise UsageError("no sandbox here")

    monkeypatch.setattr("sample.stage.require_sandbox", refuse)
    monkeypatch.setattr("sample.stage.sample_systems", lambda *_, **__: begun.append(1))

    def make(grader):
        path = tmp_path / f"{grader}.jsonl"
        path.write_text(json.dumps(rows[grader]))
        problems = {"own": ProblemConfig(str(path), "file", {"grader": grader})}
        arms = {"parallel": ArmConfig("parallel")}
        config = SampleConfig({"base": ScriptedModel()}, problems, arms)
        folder = RunFolder(tmp_path / grader)
        folder.path.mkdir()
        problems = problems_of(folder, config)
        make_attempts(Run(folder, "abc", 0, 1), config, config_systems(config), problems)

    with pytest.raises(UsageError, match="no sandbox here"):
        make("code")
    assert not begun and not list((tmp_path / "code").iterdir())
    make("math")
    assert begun
