"""The numbers of probes from records made by hand."""

import math
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from rich.console import Console

from analysis.probes import FIRST, LATER, probes_json
from analysis.probes_shown import show_probes
from analysis.report.probes_table import probes_table
from sample.probes import Prefix, Probe, ProbeConfig, Reading
from sample.problems import Problem
from sample.records import Attempt, Ledger

ANSWER = st.sampled_from(["1", "2", "3", "4", None])


def attempt(answer, right="1", finish="stop"):
    """The answer ``right`` is correct; None = an attempt without an answer."""
    return Attempt("toy", "p", "probe", "base", 0, 1, 0, "", answer or "", answer, answer,
                   answer == right, finish, Ledger(1, None, 0, 1, 0.0))  # fmt: skip


def probe(problem, shown, drawn, system="base", readings=()):
    prefix = Prefix(Problem("toy", problem, "1", "math", problem), tuple(map(attempt, shown)), [])
    return Probe(system, prefix, tuple(map(attempt, drawn)), tuple(readings))


def numbers(*probes, **others):
    """probes.json of the base's probes and those of other systems; first is always measured."""
    made = {"base": list(probes)} | {name: list(found) for name, found in others.items()}
    return probes_json(made, ProbeConfig(), 0.05, [])["families"]["toy"]["systems"]


def level(found, depth, name):
    return found["depths"][depth][name]["level"]["estimate"]


PAIRS = st.lists(st.tuples(ANSWER, ANSWER, ANSWER, ANSWER), min_size=2, max_size=8)
LOGPS = st.floats(-9, 0)


@given(PAIRS, st.lists(LOGPS, min_size=3, max_size=3))
def test_a_system_that_does_as_the_base_does_differs_by_exactly_nothing(rows, logps):
    readings = [Reading(logps[0], (1.5, 0.5)), *map(Reading, logps[1:])]
    base = [
        probe(str(i), shown, drawn, readings=readings if shown else ())
        for i, (first, *drawn) in enumerate(rows)
        for shown in ([], [first])
    ]
    found = numbers(*base, twin=[replace(p, system="twin") for p in base])
    twin, own = found["twin"], found["base"]
    for part, names in (("first", FIRST), ("depths", LATER)):
        for name in names:
            of, at = ((s[part] if part == "first" else s[part]["1"]) for s in (twin, own))
            assert of[name]["level"] == at[name]["level"] and at[name]["difference"] is None
            assert of[name]["difference"]["estimate"] in (0, None)
    assert [layer["level"]["estimate"] for layer in own["depths"]["1"]["attention_by_layer"]] == (
        pytest.approx([1.5, 0.5])
    )


@given(PAIRS)
def test_copies_are_of_right_and_of_wrong_answers(rows):
    made = []
    for i, (a, b, *drawn) in enumerate(rows):
        made += [probe(str(i), [], drawn), probe(str(i), [a, b], drawn)]
    found = numbers(*made)
    parts = level(found["base"], "2", "copy_right") + level(found["base"], "2", "copy_wrong")
    assert parts == pytest.approx(level(found["base"], "2", "copy"))


def test_who_copies_everything_copies_1_and_who_copies_nothing_0():
    bare = [probe(str(i), [], ["1", "2"]) for i in range(2)]
    shown = [["1", "2"], ["3", "2"]]
    all_ = [probe(str(i), seen, reversed(seen)) for i, seen in enumerate(shown)]
    none = [probe(str(i), seen, ["4", None], "other") for i, seen in enumerate(shown)]
    found = numbers(*bare, *all_, other=[*(replace(p, system="other") for p in bare), *none])
    assert level(found["base"], "2", "copy") == 1 and level(found["other"], "2", "copy") == 0
    change = found["other"]["depths"]["2"]["copy"]["difference"]
    assert change["estimate"] == -1 and change["n"] == 2


def test_right_answers_are_kept_or_left_and_found_where_there_was_none():
    bare = [probe(name, [], ["1", "2", "2", None]) for name in "ab"]
    after = [probe("a", ["1"], ["1", "1", "1", "2"]), probe("b", ["2"], ["1", "3", "3", None])]
    found = numbers(*bare, *after)["base"]
    assert level(found, "1", "kept") == 0.75 and level(found, "1", "found") == 0.25
    assert found["first"]["accuracy"]["level"]["estimate"] == 0.25
    assert found["first"]["distinct"]["level"]["estimate"] == 2


def test_a_call_that_failed_is_no_attempt():
    failed = attempt(None, finish="error")
    failed = structs.replace(failed, correct=None)
    bare = [replace(p, drawn=(*p.drawn, failed)) for p in (probe("a", [], ["1", "2"]),)]
    later = [replace(p, drawn=(*p.drawn, failed)) for p in (probe("a", ["2"], ["1", "2"]),)]
    found = numbers(*bare, *later)["base"]
    assert level(found, "1", "copy") == 0.5
    assert found["first"]["accuracy"]["level"]["estimate"] == 0.5
    assert found["first"]["distinct"]["level"]["n"] == 0


def test_the_margin_of_copies_is_that_of_the_texts_of_the_base():
    bare = [probe(name, [], ["1"]) for name in "ab"]
    read = [Reading(-1.0, (2.0,)), None, Reading(-3.0)]
    base = [probe(name, ["2"], ["2", "1", "3"], readings=read) for name in "ab"]
    moved = [Reading(-2.5, (1.0,)), None, Reading(-2.0)]
    # what the other draws itself does not count here
    other = [probe(name, ["2"], ["3", "3", "3"], "other", moved) for name in "ab"]
    found = numbers(*bare, *base, other=[*(replace(p, system="other") for p in bare), *other])
    assert level(found["base"], "1", "copy_margin") == 2
    change = found["other"]["depths"]["1"]
    assert change["copy_margin"]["difference"]["estimate"] == -2.5
    assert change["logp_copy"]["difference"]["estimate"] == -1.5
    assert change["attention"]["difference"]["estimate"] == -1


def test_the_terminal_and_the_report_show_every_system_at_every_depth():
    rows = [(name, seen) for name in "abc" for seen in ([], ["1"], ["1", "2", "3"])]
    base = [probe(name, seen, ["1", "4"]) for name, seen in rows]
    made = {"base": base, "diverse-s0": [replace(p, system="diverse-s0") for p in base]}
    found = probes_json(made, ProbeConfig(), 0.05, ["without weights"])
    table = probes_table(found)
    assert [(row["system"], row["depth"]) for row in table.rows] == [
        (system, depth) for system in made for depth in (1, 3)
    ]
    assert not math.isnan(table.rows[0]["copy"]["estimate"])
    show_probes(found, Console(width=80, file=(out := StringIO())))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    assert "after 3" in text and "diverse-s0" in text and "note: without weights" in text
    assert "Attention" not in text
