import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sample.config import ProblemConfig, parse, plain
from sample.errors import UsageError
from sample.families import held_out_keys, is_held_out, load_problems
from sample.problems import question_key

ROWS = [{"problem": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(60)]
COLUMNS = {"columns": {"question": "problem"}}


def write(path, rows=ROWS):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return path


def config(path, **changes):
    options = {**COLUMNS, **changes.pop("options", {})}
    return ProblemConfig(str(path), source="file", options=options, **changes)


def load(path, **changes):
    return load_problems("mine", config(path, **changes))


def test_every_format_gives_the_same_problems(tmp_path):
    import pyarrow
    from pyarrow import parquet

    expected = load(write(tmp_path / "a.jsonl"))
    assert {p.answer for p in expected} == {row["answer"] for row in ROWS}
    assert load(write(tmp_path / "a.jsonl.gz")) == expected
    table = "problem,answer\n" + "".join(f"{r['problem']},{r['answer']}\n" for r in ROWS)
    (tmp_path / "a.csv").write_text("\ufeff" + table, encoding="utf-8")
    assert load(tmp_path / "a.csv") == expected
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet") == expected


def test_count_draws_by_seed_whatever_the_order_of_the_file(tmp_path):
    path, other = write(tmp_path / "a.jsonl"), write(tmp_path / "b.jsonl", ROWS[::-1])
    few = load(path, count=10)
    assert [p.id for p in few] == [p.id for p in load(other, count=10)]
    assert [p.id for p in few] == [p.id for p in load(path)][:10]
    assert {p.id for p in few} != {p.id for p in load(path, count=10, seed=1)}


def test_the_prompt_asks_for_the_box_and_can_be_changed(tmp_path):
    path = write(tmp_path / "a.jsonl")
    default = load(path, count=1)[0]
    assert default.question.endswith("Put your final answer within \\boxed{}.")
    bare = load(path, count=1, prompt="{question}")[0]
    assert default.question.startswith(bare.question)
    assert (default.key, default.id != bare.id) == (bare.key, True)
    assert "boxed" in plain(config(path))["prompt"]
    with pytest.raises(UsageError, match="question"):
        config(path, prompt="Solve.")


def test_a_resolved_config_gives_itself_again(tmp_path):
    first = config(write(tmp_path / "a.jsonl"), count=3)
    again = parse(ProblemConfig, plain(first), "")
    assert plain(again) == plain(first)
    assert load_problems("mine", again) == load_problems("mine", first)


def test_an_evaluation_set_has_no_other_split(tmp_path):
    path = write(tmp_path / "a.jsonl")
    assert is_held_out(config(path))
    assert {p.split for p in load(path)} == {"test"}
    with pytest.raises(UsageError, match="held_out"):
        load(path, split="train")


def test_a_set_that_is_not_held_out_is_split_by_content(tmp_path):
    path, options = write(tmp_path / "a.jsonl"), {"held_out": False}
    parts = [load(path, split=split, options=options) for split in ("train", "dev", "test")]
    keys = [{p.key for p in part} for part in parts]
    assert sum(map(len, keys)) == len(set().union(*keys)) == len(ROWS)
    assert len(keys[0]) > len(keys[2]) > 0


def test_problems_of_an_evaluation_set_can_be_kept_out_of_training(tmp_path):
    evaluated = config(write(tmp_path / "a.jsonl", ROWS[:30]), prompt="Answer: {question}")
    spaced = [{**row, "problem": row["problem"].upper() + " "} for row in ROWS]
    trained = config(write(tmp_path / "b.jsonl", spaced), split="train",
                     options={"held_out": False})  # fmt: skip
    without = held_out_keys({"evaluated": evaluated, "trained": trained})
    assert len(without) == 30
    assert {p.key for p in load_problems("t", trained)} & without
    assert not {p.key for p in load_problems("t", trained, without)} & without


@settings(deadline=None)
@given(st.text(min_size=1))
def test_spacing_and_case_do_not_make_another_question(text):
    assert question_key(f"  {text}\n") == question_key(text)
    assert question_key(f"Is {text}?") == question_key(f"is\t{text} ?")


@pytest.mark.parametrize(
    "name,content,words",
    [
        ("none.jsonl", None, ["cannot read", "No such file"]),
        ("a.txt", b"x", ["expected JSONL"]),
        ("a.jsonl", b"", ["no rows"]),
        ("a.jsonl", b'{"problem": "1?", "answer": "1"}\n{"problem"', ["line 2", "not valid JSON"]),
        ("a.jsonl", b"[1]\n", ["line 1", "not a JSON object"]),
        ("a.jsonl", b'{"question": "1?", "answer": "1"}', ["no column 'problem'", "question,"]),
        ("a.jsonl", b'{"problem": "1?"}', ["no column 'answer'", "columns: {answer: COLUMN}"]),
        ("a.jsonl", b'{"problem": "1?", "answer": " "}', ["'answer' is empty"]),
        ("a.jsonl", b'{"problem": null, "answer": "1"}', ["'problem' is empty"]),
        ("a.jsonl", '{"problem": "1é?", "answer": "1"}'.encode("latin1"), ["not UTF-8", "iconv"]),
        ("a.jsonl", b'{"problem": "1?", "answer": "1"}\n{"problem": "1 ?", "answer": "2"}',
         ["line 2", "same question as", "line 1"]),
        ("a.csv", b"problem,answer\n1?\n", ["row 1", "cells"]),
        ("a.csv", b"problem,answer\n", ["no rows"]),
        ("a.parquet", b"PAR", ["no Parquet file"]),
        ("a.jsonl.gz", b"not gzip", ["cannot read", "gzip"]),
        ("a.jsonl.gz", gzip.compress(b"{}" * 99, mtime=0)[:-9], ["cannot read"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_thing(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        load(tmp_path / name)
    assert "\n" not in str(error.value) and "problems.mine" in str(error.value)
    assert [word for word in words if word not in str(error.value)] == []


def test_a_mark_before_the_answer(tmp_path):
    rows = [{"problem": "1?", "answer": "One #### of them is #### 1,000"}]
    path = write(tmp_path / "a.jsonl", rows)
    assert load(path, options={"answer_after": "####"})[0].answer == "1,000"
    with pytest.raises(UsageError, match="nothing follows 'so:'"):
        load(path, options={"answer_after": "so:"})


@pytest.mark.parametrize(
    "options,words",
    [
        ({"colums": {}}, "columns"),
        ({"grader": "essay"}, "'math' or 'code'"),
        ({"layout": "mbpp"}, "grader: expected code"),
        ({"layout": "apps", "grader": "code"}, "livecodebench"),
        ({"held_out": "perhaps"}, "held_out"),
        ({"columns": {"questoin": "q"}}, "columns.questoin'; did you mean 'question'"),
        ({"grader": "code", "columns": {"public": "p"}}, "columns.public'; did you mean 'public_"),
        ({"grader": "code", "columns": {}, "answer_after": "#"}, "answer_after: expected none"),
    ],
)
def test_bad_options_are_refused_before_anything_is_read(options, words):
    with pytest.raises(UsageError, match=words) as error:
        config("missing.jsonl", options=options)
    assert "\n" not in str(error.value)
