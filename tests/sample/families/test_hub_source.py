"""The real loading code, on local folders with the columns of the datasets (no network needed)."""

import base64
import gzip
import json
import pickle
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from sample.benchmarks import BENCHMARKS
from sample.config import ProblemConfig, plain
from sample.errors import UsageError
from sample.families import hub, load_problems
from sample.families.livecodebench import pickled_text, read_tests
from sample.grading import grade

DATA = Path(__file__).parents[2] / "data"


def compressed(cases):
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


STDIN = [{"input": "1\n2\n", "output": "3\n", "testtype": "stdin"}]
CALLS = [{"input": "[1, 2]\n3", "output": "[4]", "testtype": "functional"}]
ROWS = {
    "aime2024": {"id": 60, "problem": "Find n.", "solution": "...", "answer": "204", "url": "",
                 "year": "2024"},
    "aime2025": {"id": "0", "problem": "Find n.", "answer": "70", "solution": "", "url": ""},
    "math500": {"problem": "Find n.", "solution": "...", "answer": "\\frac{3}{4}",
                "subject": "Algebra", "level": 2, "unique_id": "test/algebra/1.json"},
    "gsm8k": {"question": "How many?", "answer": "4 + 4 = <<4+4=8>>8\n#### 1,008"},
    "humaneval": json.loads((DATA / "humaneval_3.jsonl").read_text().splitlines()[0]),
    "mbpp": {"source_file": "x", "task_id": 2, "prompt": "Write a function to add.",
             "code": "def add(a, b): return a + b", "test_imports": ["import math"],
             "test_list": ["assert math.floor(add(1, 2)) == 3", "assert add(0, 0) == 0"]},
    "livecodebench": {"question_title": "Sum", "question_content": "Add up.", "platform": "atcoder",
                      "question_id": "1", "contest_id": "1", "contest_date": "2025-01-01T00:00:00",
                      "starter_code": "", "difficulty": "easy", "metadata": "{}",
                      "public_test_cases": json.dumps(STDIN),
                      "private_test_cases": compressed(STDIN * 2)},
}  # fmt: skip


@pytest.fixture
def local(tmp_path, monkeypatch):
    """Puts one row of each benchmark where a folder stands for its dataset id."""
    for name, benchmark in BENCHMARKS.items():
        folder = tmp_path / name
        folder.mkdir()
        options = {k: v for k, v in benchmark.options.items() if k not in ("config", "revision")}
        file = options.get("files", (f"{options.get('split', 'test')}.jsonl",))[0]
        (folder / file).write_text(json.dumps(ROWS[name]) + "\n")
        moved = replace(benchmark, dataset=str(folder), options=options)
        monkeypatch.setitem(BENCHMARKS, name, moved)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    "name,answer",
    [("aime2024", "204"), ("aime2025", "70"), ("math500", "\\frac{3}{4}"), ("gsm8k", "1,008")],
)
def test_math_benchmarks(local, name, answer):
    (problem,) = load_problems(name, ProblemConfig(name, source="hub"))
    assert (problem.answer, problem.grader, problem.split) == (answer, "math", "test")
    assert problem.question.endswith("within \\boxed{}.")
    assert grade(problem, f"Thus \\boxed{{{answer}}}").correct


@pytest.mark.parametrize(
    "name,file", [("gsm8k", "gsm8k_test.jsonl.gz"), ("humaneval", "HumanEval.jsonl.gz")]
)
def test_the_known_size_of_a_benchmark_is_that_of_its_file(name, file):
    with gzip.open(DATA / file) as rows:
        assert BENCHMARKS[name].size == sum(1 for _ in rows)


def test_humaneval(local):
    (problem,) = load_problems("h", ProblemConfig("humaneval", source="hub"))
    data = problem.metadata
    assert data["entry"] == "has_close_elements" and data["given"] in problem.question
    (hidden,) = data["hidden"]["asserts"]
    assert "def check(candidate)" in hidden and hidden.endswith("check(candidate)\n")
    shown = "assert has_close_elements([1.0, 2.0, 3.0], 0.5) == False"
    assert shown in data["public"]["asserts"]
    space = {}
    exec(data["given"] + ROWS["humaneval"]["canonical_solution"], space)
    for test in (*data["public"]["asserts"], hidden):
        exec(test, {**space, "candidate": space["has_close_elements"]})


def test_mbpp(local):
    (problem,) = load_problems("m", ProblemConfig("mbpp", source="hub"))
    assert "assert math.floor(add(1, 2)) == 3" in problem.question
    assert "add(0, 0)" not in problem.question
    assert problem.question.endswith("use the standard library only.")
    assert problem.metadata["entry"] == "add"
    public, hidden = problem.metadata["public"], problem.metadata["hidden"]
    assert public["setup"] == hidden["setup"] == "import math"
    assert len(hidden["asserts"]) == 2 and len(public["asserts"]) == 1


def test_livecodebench(local):
    (problem,) = load_problems("l", ProblemConfig("livecodebench", source="hub"))
    assert "standard input" in problem.question and problem.metadata["entry"] is None
    assert problem.metadata["public"] == {"runs": [["1\n2\n", "3\n"]]}
    assert len(problem.metadata["hidden"]["runs"]) == 3


def test_livecodebench_methods(local):
    row = {**ROWS["livecodebench"], "starter_code": "class Solution:\n    def f(self, a, b):",
           "metadata": '{"func_name": "f"}', "public_test_cases": json.dumps(CALLS),
           "private_test_cases": json.dumps(CALLS)}  # fmt: skip
    (local / "livecodebench" / "test6.jsonl").write_text(json.dumps(row))
    (problem,) = load_problems("l", ProblemConfig("livecodebench", source="hub"))
    assert problem.metadata["entry"] == "f" and "class Solution" in problem.question
    assert problem.metadata["public"] == {"calls": [[[[1, 2], 3], [4]]]}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_text_is_read_in_every_protocol(protocol):
    for text in ("", "[]", "é\n'\\", "x" * 300, "y" * 70_000):
        assert pickled_text(pickle.dumps(text, protocol)) == text


class Hostile:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize("value", [Hostile(), ["[]"], {"a": "b"}, 7, b"[]", ("[]", "[]"), None])
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = base64.b64encode(zlib.compress(pickle.dumps(value))).decode()
    with pytest.raises(ValueError):
        read_tests(text)
    assert not list(tmp_path.iterdir())


def test_tests_that_are_not_whole_are_refused(monkeypatch):
    text = compressed(STDIN)
    for broken in (text[:-8], text[:40], "no base64 !", "{}x", '{"a": 1}', '[{"input": 1}]'):
        with pytest.raises(ValueError):
            read_tests(broken)
    monkeypatch.setattr("sample.families.livecodebench.MOST_BYTES", 20)
    with pytest.raises(ValueError, match="MiB"):
        read_tests(text)


def test_the_resolved_config_shows_where_a_benchmark_comes_from():
    options = plain(ProblemConfig("gsm8k", source="hub", count=5))["options"]
    assert (options["config"], options["split"], options["answer_after"]) == (
        "main",
        "test",
        "####",
    )
    assert len(options["revision"]) == 40


def test_a_benchmark_cannot_be_trained_on():
    with pytest.raises(UsageError, match="held_out"):
        ProblemConfig("gsm8k", source="hub", options={"held_out": False})
    with pytest.raises(UsageError, match="evaluation set"):
        load_problems("g", ProblemConfig("gsm8k", source="hub", split="train"))


def test_any_dataset_by_id_or_folder(tmp_path):
    rows = [{"q": f"{n}?", "a": n} for n in (1, 2, 2)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"split": "train", "columns": {"question": "q", "answer": "a"}}
    config = ProblemConfig(str(tmp_path), source="hub", options=options)
    assert sorted(p.answer for p in load_problems("d", config)) == ["1", "2"]
    wrong = {**options, "split": "dev"}
    with pytest.raises(UsageError, match=r"cannot load .* source: file") as error:
        load_problems("d", replace(config, options=wrong))
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="splits train"):
        load_problems("d", replace(config, options={**options, "split": ""}))


def test_a_file_that_cannot_be_fetched(monkeypatch):
    def offline(*_, **__):
        raise ConnectionError("no\nnetwork")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(
        UsageError, match=r"test6.jsonl of livecodebench.*ConnectionError: no network"
    ):
        list(hub.generate("l", ProblemConfig("livecodebench", source="hub")))


def test_plain_rows_with_tests(tmp_path):
    rows = [
        {"question": "Add.", "tests": ["assert f(1) == 2"], "entry": "f", "setup": "x = 1"},
        {"question": "Sub.", "tests": '[{"args": [1], "expected": 2}]', "entry": "g"},
        {"question": "Echo.", "tests": [{"input": "1", "output": "1"}],
         "public_tests": [{"input": "2", "output": "2"}]},
    ]  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = ProblemConfig(str(path), source="file", options={"grader": "code"})
    found = {p.metadata["entry"]: p for p in load_problems("c", config)}
    assert found["f"].metadata["hidden"] == {"asserts": ["assert f(1) == 2"], "setup": "x = 1"}
    assert found["f"].question.startswith("Add.") and "Python" in found["f"].question
    assert found["g"].metadata["hidden"] == {"calls": [[[1], 2]]}
    assert found["g"].metadata["public"] == {}
    assert found[None].metadata["public"] == {"runs": [["2", "2"]]}


@pytest.mark.parametrize(
    "value", ["", [], "[", [1], [{"input": "1"}], ["assert f()", {"args": [], "expected": 1}]]
)
def test_rows_whose_tests_are_no_tests_are_refused(tmp_path, value):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"question": "Add.", "tests": value}))
    with pytest.raises(UsageError, match=r"line 1: .*test"):
        load_problems("c", ProblemConfig(str(path), source="file", options={"grader": "code"}))
