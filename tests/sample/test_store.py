import errno
import json
import math
import os
from functools import reduce
from operator import getitem

import pytest
from doubles import attempt
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sample import store
from sample.errors import ForageError, UsageError
from sample.records import Draw, Failure, Ledger
from sample.store import AttemptStore, iterate_attempts, read_attempts, to_line

RECORDS = [attempt(step=step) for step in range(1, 4)]
DRAW = Draw(8, "so", "5", "5", "stop", Ledger(3, None, 2, 1, 0.5))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "attempts.jsonl"
    path.write_bytes(b"".join(map(to_line, RECORDS)))
    return path


def change_line(path, number, **changes):
    lines = path.read_text().splitlines()
    record = {**json.loads(lines[number - 1]), **changes}
    lines[number - 1] = json.dumps({k: v for k, v in record.items() if v != "DROP"})
    path.write_text("\n".join(lines) + "\n")


def test_what_is_appended_is_read_again(tmp_path):
    path = tmp_path / "attempts.jsonl"
    records = [
        attempt(),
        attempt(step=2, finish="length", text="", answer=None, canonical=None, correct=False),
        attempt(
            step=3, finish="error", correct=None, failure=Failure("Timeout", "60 s"),
            ledger=Ledger(0, 0, 0, 0, 1),
        ),
        attempt(step=4, rejected=(DRAW, DRAW), score=-1.5, weight=2),
        attempt(
            step=5, finish="skipped", correct=None, failure=Failure("not_applicable", "no gold")
        ),
    ]  # fmt: skip
    with AttemptStore(path) as store:
        for record in records:
            store.append(record)
            assert read_attempts(path)[-1] == record
    assert read_attempts(path) == records
    with AttemptStore(path) as store:
        assert store.attempts == records


def test_a_field_that_is_missing_has_its_default(path):
    change_line(path, 1, rejected="DROP", score="DROP", weight="DROP", engine="DROP")
    change_line(path, 2, schema_version="DROP")
    change_line(path, 3, failure="DROP")
    assert read_attempts(path) == RECORDS


def test_the_fast_reading_of_a_line_takes_only_what_the_slow_one_takes():
    line = json.loads(to_line(attempt(rejected=(DRAW,), failure=Failure("x", "y"))))
    assert store._read_fast(json.dumps(line).encode()) is not None
    odd = (None, True, 1, 1.0, 1.5, -1, "1", "", [], {}, [1], {"seed": 1}, math.nan, 2**70, "DROP")
    for place in ((), ("ledger",), ("failure",), ("rejected", 0), ("rejected", 0, "ledger")):
        for name in [*reduce(getitem, place, line), "unknown"]:
            for value in odd:
                changed = json.loads(json.dumps(line))
                inner = reduce(getitem, place, changed)
                inner[name] = value
                if value == "DROP":
                    del inner[name]
                text = json.dumps(changed).encode()
                if (fast := store._read_fast(text)) is not None:
                    assert store._read_by_hand(text) == fast, (place, name, value)


def test_attempts_come_one_by_one_and_a_damaged_line_stops_them(path):
    change_line(path, 3, step=0)
    found = iterate_attempts(path)
    assert [next(found), next(found)] == RECORDS[:2]
    with pytest.raises(UsageError, match="line 3"):
        next(found)


@given(text=st.text(st.characters()), thinking=st.text())
def test_any_text_is_one_line(tmp_path_factory, text, thinking):
    path = tmp_path_factory.mktemp("store") / "attempts.jsonl"
    record = attempt(text=text, thinking=thinking)
    path.write_bytes(to_line(record))
    assert read_attempts(path) == [record]
    assert path.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("cut", range(1, len(to_line(RECORDS[-1])) - 1))
def test_a_torn_last_line_is_owed_again(path, cut):
    path.write_bytes(path.read_bytes()[: -1 - cut])
    assert read_attempts(path) == RECORDS[:2]
    with AttemptStore(path) as store:
        assert store.attempts == RECORDS[:2]
        store.append(RECORDS[2])
    assert read_attempts(path) == RECORDS


def test_a_whole_last_line_without_newline_is_kept(path):
    path.write_bytes(path.read_bytes()[:-1])
    with AttemptStore(path) as store:
        assert store.attempts == RECORDS
        store.append(attempt(step=4))
    assert len(read_attempts(path)) == 4


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"step": "1"}, "field 'step' is '1', expected a whole number"),
        ({"replicate": True}, "field 'replicate' is True"),
        ({"step": 0}, "'step' from 1"),
        ({"correct": 1}, "field 'correct' is 1, expected null or true or false"),
        ({"text": None}, "field 'text' is None, expected text"),
        ({"finish": "done"}, "field 'finish' is 'done'"),
        ({"ledger": {"prompt": 1}}, "no field 'ledger.cached'"),
        ({"ledger": None}, "field 'ledger' is None"),
        ({"failure": {"type": "x"}}, "no field 'failure.message'"),
        ({"rejected": None}, "field 'rejected' is None, expected a list"),
        ({"rejected": [1]}, "field 'rejected' holds no object"),
        ({"rejected": [{"seed": 1}]}, "no field 'rejected.thinking'"),
        ({"schema_version": 2}, "schema_version 2, expected 1"),
        ({"problem": "DROP"}, "no field 'problem'"),
        ({"corect": True}, "unknown field 'corect'"),
        ({"step": 1}, "the same attempt as line 1"),
    ],
)
def test_a_damaged_line_is_named(path, changes, what):
    change_line(path, 2, **changes)
    with pytest.raises(UsageError, match="line 2: ") as error:
        read_attempts(path)
    assert what in str(error.value) and str(path) in str(error.value)
    assert "delete" in str(error.value)


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '{"seconds": NaN}', "\udcff", "[" * 100_000])
def test_a_line_that_is_no_record_is_named(path, line):
    lines = path.read_text().splitlines()
    lines[1] = line
    path.write_bytes("\n".join([*lines, ""]).encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match="line 2: not"):
        AttemptStore(path)


def test_a_negative_count_is_refused(path):
    change_line(path, 3, ledger={**structs.asdict(RECORDS[0].ledger), "answer": -1})
    with pytest.raises(UsageError, match="line 3: a number below 0"):
        read_attempts(path)


def test_no_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_attempts(tmp_path / "none.jsonl")


def test_a_full_disk_loses_nothing(path, monkeypatch):
    real, calls = os.write, []

    def full(file, data):
        calls.append(data)
        if len(calls) == 1:
            return real(file, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    with AttemptStore(path) as store:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(ForageError, match=r"No space left.*same command again"):
            store.append(attempt(step=4))
        monkeypatch.undo()
        assert read_attempts(path) == RECORDS
        store.append(attempt(step=4))
    assert len(read_attempts(path)) == 4
