import math

import numpy as np
import pytest
from fixtures import write_lines

from analysis.foreign.columns import parse_columns, read_rows
from analysis.foreign.read import ForeignConfig, read_foreign
from analysis.foreign.rows import Row, Tokens, grade, to_attempts
from analysis.table import build_table
from sample.errors import UsageError


def csv(tmp_path, text, name="data.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_csv_through_a_map_of_its_columns(tmp_path):
    path = csv(
        tmp_path,
        "task_id,mode,attempt,pred,ok,out\n"
        "a,parallel,,7,1,12\n"
        "a,parallel,,8,0,14\n"
        "a,sequential,1,7,true,9\n"
        "a,sequential,2,,,\n",
    )
    columns = parse_columns(
        ["problem=task_id,arm=mode", "step=attempt", "answer=pred,correct=ok,generated_tokens=out"]
    )
    table = build_table(read_foreign([path], ForeignConfig(columns)).attempts)
    parallel, chain = (table.cells["data", "base", arm] for arm in ("parallel", "sequential"))
    assert parallel.correct[0, 0].tolist() == [1, 0]
    assert chain.answer[0, 0, 0] == parallel.answer[0, 0, 0]
    assert np.isnan(chain.correct[0, 0, 1]) and chain.answer[0, 0, 1] == -1
    assert parallel.tokens["answer"][0, 0].tolist() == [12, 14]
    assert np.isnan(chain.tokens["answer"][0, 0, 1]) and np.isnan(chain.tokens["prompt"]).all()


def test_our_own_names_need_no_map_and_equal_numbers_are_equal_answers(tmp_path):
    rows = [
        {"problem": 1, "correct": True, "answer": 4.0},
        {"problem": 1, "correct": True, "answer": 4},
        {"problem": 1, "correct": False, "answer": float("nan")},
    ]
    found = read_rows(write_lines(tmp_path / "a.jsonl", rows), {})
    assert [row.answer for row in found] == ["4", "4", None]
    assert found[0].problem == "1" and found[0].canonical == "4"


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_columns_may_be_parted_by_commas_semicolons_or_tabs(tmp_path, mark):
    path = tmp_path / "tries.csv"
    lines = [("problem", "correct", "answer"), ("a", "1", '"4, or 5; or 6"'), ("b", "0", "7")]
    path.write_text("".join(mark.join(line) + "\n" for line in lines), encoding="utf-8-sig")
    rows = list(read_rows(path, {}))
    assert [(r.problem, r.correct, r.answer) for r in rows] == [
        ("a", True, "4, or 5; or 6"), ("b", False, "7"),
    ]  # fmt: skip


def test_parallel_attempts_are_dealt_into_groups_of_n():
    rows = [Row("p", bool(i % 2)) for i in range(7)]
    whole = to_attempts(rows)
    assert [(a.replicate, a.step) for a in whole] == [(0, k) for k in range(1, 8)]
    groups = to_attempts(rows, 3)
    assert [(a.replicate, a.step) for a in groups][2:5] == [(0, 3), (1, 1), (1, 2)]
    chain = [Row("p", True, arm="sequential", step=k) for k in (1, 2)]
    assert max(a.step for a in to_attempts([*rows, *chain])) == 2


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([(None, 1), (None, 1), (None, 2)], [(0, 1), (1, 1), (0, 2)]),
        ([(42, None), (7, None), (42, None)], [(1, 1), (0, 1), (1, 2)]),
        ([(42, 1), (7, 1), (42, 2)], [(1, 1), (0, 1), (1, 2)]),
    ],
)
def test_no_attempt_is_lost_where_the_file_says_half_of_its_place(places, expected):
    rows = [Row("p", True, replicate=replicate, step=step) for replicate, step in places]
    assert [(a.replicate, a.step) for a in to_attempts(rows)] == expected


@pytest.mark.parametrize("arm", ["parallel", "sequential"])
def test_a_place_that_is_taken_twice_is_refused(arm):
    replicate = 3 if arm == "parallel" else None
    rows = [Row("p", True, arm=arm, replicate=replicate, step=1)] * 2
    with pytest.raises(UsageError, match="comes twice"):
        to_attempts(rows)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, True),
        ("0", False),
        ("C", True),
        ("incorrect", False),
        ("True", True),
        (1.0, True),
        ("", None),
        (None, None),
        (math.nan, None),
        ("nan", None),
        (np.True_, True),
    ],
)
def test_grades_come_in_many_words(value, expected):
    assert grade(value, None, "here") is expected


def test_partial_credit_needs_a_threshold():
    with pytest.raises(UsageError, match=r"row 3: partial credit 0\.5; say what counts"):
        grade(0.5, None, "row 3")
    assert grade(0.5, 0.5, "row") is True and grade(0.4, 0.5, "row") is False
    with pytest.raises(UsageError, match="'maybe' is no grade"):
        grade("maybe", None, "row")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "which column holds problem and which correct"),
        ("problem,correct\n", "holds no rows"),
        ("problem,correct\n,1\n", "row 1: no problem"),
        ("problem,correct,step\np,1,1.5\n", "step must be a whole number"),
        ("problem,correct,step\np,1,-1\n", "step must be a number of at least 0"),
        ("problem,correct,generated_tokens\np,1,many\n", "generated_tokens must be a number"),
        ("problem,correct,finish\np,1,exploded\n", "unknown finish 'exploded'"),
        ("problem,correct,arm\np,1,sequential\n", "every row needs its step"),
        ("problem,correct,step\np,1,0\n", "'step' counts from 1"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, text, words):
    with pytest.raises(UsageError, match=words) as caught:
        read_foreign([csv(tmp_path, text)], ForeignConfig())
    assert "\n" not in str(caught.value)


def test_bad_maps_files_and_formats_are_refused(tmp_path):
    with pytest.raises(UsageError, match="NAME=COLUMN"):
        parse_columns(["problem"])
    with pytest.raises(UsageError, match="did you mean 'problem'"):
        parse_columns(["problm=x"])
    with pytest.raises(UsageError, match="given twice"):
        parse_columns(["arm=x,arm=y"])
    path = csv(tmp_path, "problem,correct\np,1\n")
    with pytest.raises(UsageError, match="no column 'id'; it has: problem, correct"):
        read_rows(path, {"problem": "id"})
    with pytest.raises(UsageError, match="no file"):
        read_foreign([tmp_path / "none.csv"], ForeignConfig())
    with pytest.raises(UsageError, match="unknown format"):
        read_foreign([csv(tmp_path, "x", "data.xlsx")], ForeignConfig())
    with pytest.raises(UsageError, match="line 2: not a JSON object"):
        read_foreign(
            [csv(tmp_path, '{"problem":1,"correct":1}\n[1]\n', "x.jsonl")], ForeignConfig()
        )
    with pytest.raises(UsageError, match="cannot read"):
        read_foreign([csv(tmp_path, "no parquet", "x.parquet")], ForeignConfig())
    with pytest.raises(UsageError, match="attempts must be"):
        ForeignConfig(attempts=0)


def test_reasoning_is_part_of_what_was_generated():
    (split,) = to_attempts([Row("p", True, tokens=Tokens(9.0, reasoning=30.0, generated=50.0))])
    assert (split.ledger.thinking, split.ledger.answer, split.ledger.generated) == (30, 20, 50)
    (unknown,) = to_attempts([Row("p", True, tokens=Tokens(reasoning=30.0))])
    assert math.isnan(unknown.ledger.generated) and unknown.ledger.cached is None


def test_scores_may_be_negative_and_entropies_are_inverse_weights(tmp_path):
    path = csv(tmp_path, "problem,correct,lp,h\na,1,-2.5,0.5\na,0,,\n")
    first, second = read_rows(path, {"score": "lp", "entropy": "h"})
    assert (first.score, first.weight) == (-2.5, 2.0)
    assert (second.score, second.weight) == (None, None)
    assert to_attempts([first])[0].score == -2.5 and to_attempts([first])[0].weight == 2.0


@pytest.mark.parametrize(
    "columns,says",
    [
        ({"score": "x"}, "score must be a finite number"),
        ({"weight": "lp"}, "weight must be a number of at least 0"),
        ({"weight": "h", "entropy": "h"}, "both weight and entropy"),
    ],
)
def test_marks_that_are_none_are_refused(tmp_path, columns, says):
    path = csv(tmp_path, "problem,correct,lp,h,x\na,1,-2.5,0.5,inf\n")
    with pytest.raises(UsageError, match=says):
        read_rows(path, columns)
