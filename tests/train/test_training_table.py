import json

import pytest
from rich.console import Console

from sample.runfolder import RunFolder
from train.config import TrainConfig
from train.method_config import MethodConfig
from train.table import LAST, MEANS, show_table, training_table, write_table

CONFIG = TrainConfig({"a": MethodConfig(), "b": MethodConfig(histories=False)}, seeds=(0, 1))


@pytest.fixture
def folder(tmp_path):
    """Two adapters have steps, the second without repeats; the first is evaluated."""
    folder = RunFolder(tmp_path)
    for name, repeat in (("a-s0", 0.5), ("b-s0", None)):
        folder.adapter(name).mkdir(parents=True)
        numbers = dict.fromkeys(MEANS) | {"prompt_tokens": 3, "generated_tokens": 2}
        lines = [
            numbers | {"step": n + 1, "accuracy": n, "repeat": repeat} for n in range(LAST + 5)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step"'
        (folder.adapter(name) / "metrics.jsonl").write_text(text)
    evaluated = {"a-s0": {"gap_adapted": {"estimate": 0.25}, "verdict": "CLOSED"}}
    folder.summary.write_text(json.dumps({"families": {"toy": {"adapters": evaluated}}}))
    return folder


def test_a_row_holds_the_last_steps_all_tokens_and_the_evaluation(folder):
    first, second = training_table(folder, CONFIG)
    assert (first["adapter"], first["method"], first["seed"]) == ("a-s0", "a", 0)
    assert first["steps"] == LAST + 5 and first["tokens"] == 5 * (LAST + 5)
    assert first["accuracy"] == 5 + (LAST - 1) / 2 and first["repeat"] == 0.5
    assert (first["gap toy"], first["verdict toy"]) == (0.25, "CLOSED")
    assert second["repeat"] is None and second["gap toy"] is None


def test_the_csv_and_the_terminal_show_every_adapter(folder, tmp_path):
    rows = training_table(folder, CONFIG)
    write_table(tmp_path / "t.csv", rows)
    head, first, second = (tmp_path / "t.csv").read_text().splitlines()
    assert head.startswith("adapter,method,seed,steps,accuracy,repeat")
    assert first.startswith("a-s0,a,0,15,9.5,0.5") and second.startswith("b-s0,b,0,15,9.5,,")
    console = Console(width=80, record=True)
    show_table(rows, console)
    shown = console.export_text()
    assert "a-s0" in shown and "gap toy" in shown and "0.25" in shown
