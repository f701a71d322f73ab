import pytest

from analysis.foreign.cleaning import without_copies, without_empty_words
from analysis.foreign.read import ForeignConfig, read_foreign
from analysis.foreign.rows import Row
from sample.errors import UsageError

HEAD = "problem,arm,replicate,step,correct,answer\n"


def read(tmp_path, *lines, head=HEAD):
    path = tmp_path / "a.csv"
    path.write_text(head + "".join(line + "\n" for line in lines))
    return read_foreign([path], ForeignConfig())


@pytest.mark.parametrize("word", ["nan", "NaN", "null", "None"])
def test_a_word_for_nothing_is_no_answer_and_is_counted(tmp_path, word):
    found = read(tmp_path, f"p,parallel,0,1,0,{word}", "p,parallel,0,2,1,7")
    assert [(a.answer, a.canonical) for a in found.attempts] == [(None, None), ("7", "7")]
    assert found.notes == ("1 answer such as nan, null or None: read as no answer",)


@pytest.mark.parametrize("word", ["NA", "none of these", "0"])
def test_a_word_that_may_be_an_answer_stays_one(tmp_path, word):
    found = read(tmp_path, f"p,parallel,0,1,0,{word}")
    assert found.attempts[0].answer == word and found.notes == ()


def test_a_canonical_answer_of_its_own_is_emptied_too():
    rows, words = without_empty_words([Row("p", False, answer="x", canonical="NaN")])
    assert (rows[0].answer, rows[0].canonical, words) == ("x", None, 1)


def test_rows_that_say_the_same_again_are_dropped_and_counted(tmp_path):
    line = "p,sequential,0,1,1,7"
    found = read(tmp_path, line, line, "p,sequential,0,2,0,8", line)
    assert [a.step for a in found.attempts] == [1, 2]
    assert found.notes == ("2 rows the same as an earlier one: left out",)


def test_parallel_rows_that_do_not_say_which_attempt_they_are_may_be_equal():
    for place in ({}, {"step": 1}, {"replicate": 0}):
        rows = [Row("p", True, answer="7", **place)] * 3
        assert without_copies(rows) == (rows, 0)


def test_rows_that_contradict_each_other_are_named_together(tmp_path):
    lines = [f"p{i},sequential,{r},1,{c},7" for i in range(2) for r in (0, 4) for c in (0, 1)]
    with pytest.raises(UsageError) as caught:
        read(tmp_path, *lines, *lines)
    assert str(caught.value) == (
        "rows that differ are of the same attempt: data, problem p0, base/sequential, replicate 0, "
        "step 1; data, problem p0, base/sequential, replicate 4, step 1; data, problem p1, "
        "base/sequential, replicate 0, step 1; and 1 more; delete all but one row of each, or, if "
        "the models differ, --columns system=NAME"
    )


def test_chains_without_a_number_are_told_to_name_it(tmp_path):
    lines = ("p,sequential,1,0", "p,sequential,1,1")
    with pytest.raises(UsageError, match="which chain each row is of, --columns replicate=NAME"):
        read(tmp_path, *lines, head="problem,arm,step,correct\n")
