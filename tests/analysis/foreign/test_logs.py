import zipfile

import numpy as np
import pytest
from fixtures import (
    episode,
    inspect_sample,
    lm_eval_sample,
    rollout,
    write_eval,
    write_inspect,
    write_lines,
    write_results,
)

from analysis.foreign.read import ForeignConfig, read_foreign
from analysis.table import build_table
from sample.errors import UsageError

SAMPLES = [
    inspect_sample(1, 1, "C", "42"),
    inspect_sample(1, 2, "I", "41"),
    inspect_sample(2, 1, "N", None),
    inspect_sample(2, 2, float("nan"), "42"),
]


def read(path, **options):
    return read_foreign([path], ForeignConfig(**options)).attempts


@pytest.mark.parametrize("form", ["json", "eval", "zstd"])
def test_an_inspect_log_in_all_its_forms(tmp_path, form):
    if form == "json":
        path = write_inspect(tmp_path / "log.json", SAMPLES)
    elif form == "eval":
        path = write_eval(tmp_path / "log.eval", SAMPLES)
    else:
        pytest.importorskip("zipfile_zstd")
        path = write_eval(tmp_path / "log.eval", SAMPLES, zipfile.ZIP_ZSTANDARD)  # type: ignore
    attempts = read(path)
    assert {(a.family, a.system, a.arm) for a in attempts} == {
        ("aime2024", "ollama/llama3.1", "parallel")
    }
    assert [a.correct for a in attempts] == [True, False, False, None]
    assert [a.canonical for a in attempts] == ["42", "41", None, "42"]
    ledger = attempts[0].ledger
    # cached tokens are counted in, reasoning is part of the output
    assert (ledger.prompt, ledger.cached, ledger.thinking, ledger.answer) == (56, 16, 100, 20)
    assert attempts[0].text == "ANSWER: 42" and ledger.seconds == 1.5


def test_errors_and_limits_of_an_inspect_log_are_finishes(tmp_path):
    failed = inspect_sample(1, 1, "C", "42", error={"message": "timeout"}, scores=None)
    cut = inspect_sample(1, 2, "C", "42", limit={"type": "token", "limit": 9})
    long = inspect_sample(1, 3, "C", "42")
    long["output"] = {"choices": [{"message": {}, "stop_reason": "max_tokens"}]}
    long["model_usage"] = {}
    scored = inspect_sample(1, 4, "C", "42")
    attempts = read(write_inspect(tmp_path / "log.json", [failed, cut, long, scored]))
    assert [a.finish for a in attempts] == ["error", "length", "length", "stop"]
    assert attempts[0].failure is not None and attempts[0].failure.message == "timeout"
    assert np.isnan(attempts[2].ledger.prompt)
    cell = build_table(attempts).cells["aime2024", "ollama/llama3.1", "parallel"]
    assert cell.correct.ravel().tolist() == [0, 0, 0, 1]


def test_an_inspect_log_with_content_parts_and_attachments(tmp_path):
    parts = inspect_sample(1, 1, 1, "42")
    parts["output"]["choices"][0]["message"]["content"] = [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "text", "text": "it is 42"},
    ]
    attached = inspect_sample(1, 2, 0, "41", attachments={"abc": "a long text"})
    attached["output"]["choices"][0]["message"]["content"] = "attachment://abc"
    attempts = read(write_inspect(tmp_path / "log.json", [parts, attached]))
    assert [a.text for a in attempts] == ["it is 42", "a long text"]


def test_which_score_counts_must_be_clear(tmp_path):
    two = inspect_sample(1, 1, "C", "42")
    two["scores"]["judge"] = {"value": 0.5}
    path = write_inspect(tmp_path / "log.json", [two])
    with pytest.raises(UsageError, match=r"--scorer match \| judge"):
        read(path)
    with pytest.raises(UsageError, match=r"partial credit 0\.5"):
        read(path, scorer="judge")
    assert read(path, scorer="judge", threshold=0.5)[0].correct is True
    with pytest.raises(UsageError, match="no scorer 'x'"):
        read(path, scorer="x")
    several = write_inspect(tmp_path / "b.json", [inspect_sample(1, 1, {"a": 1}, "42")])
    with pytest.raises(UsageError, match="several values"):
        read(several)
    with pytest.raises(UsageError, match="with samples"):
        read(write_inspect(tmp_path / "c.json", []))
    (tmp_path / "d.eval").write_bytes(b"PK broken")
    with pytest.raises(UsageError, match="cannot read"):
        read(tmp_path / "d.eval")


def test_lm_eval_samples_grade_one_response_and_never_guess_the_others(tmp_path):
    folder = tmp_path / "Qwen__Qwen3-1.7B"
    path = write_lines(
        folder / "samples_gsm8k_cot_2026-10-15T12-53-13.123456.jsonl",
        [
            lm_eval_sample(0, ["so 42", "so 41", "so 42"], "42", 1.0),
            lm_eval_sample(1, ["hm", "so 42", "hm"], "[invalid]", 0.0),
        ],
    )
    attempts = read(path)
    assert {(a.family, a.system) for a in attempts} == {("gsm8k_cot", "Qwen__Qwen3-1.7B")}
    assert [a.correct for a in attempts] == [True, None, None, False, None, None]
    assert [a.canonical for a in attempts] == ["42", None, None, None, None, None]
    assert attempts[1].text == "so 41" and np.isnan(attempts[0].ledger.generated)


def test_lm_eval_filters_and_metrics_must_be_clear(tmp_path):
    strict = lm_eval_sample(0, ["42"], "42", 1.0)
    loose = lm_eval_sample(0, ["42"], "42.", 0.0, filter="flexible-extract")
    path = write_lines(tmp_path / "samples_gsm8k.jsonl", [strict, loose])
    with pytest.raises(UsageError, match=r"--filter strict-match \| flexible-extract"):
        read(path)
    assert [a.correct for a in read(path, filter="flexible-extract")] == [False]
    odd = {**strict, "metrics": ["bleu", "rouge"], "bleu": 0.1, "rouge": 0.9}
    path = write_lines(tmp_path / "samples_sum.jsonl", [odd])
    with pytest.raises(UsageError, match=r"--metric bleu \| rouge"):
        read(path)
    assert read(path, metric="rouge", threshold=0.5)[0].correct is True


def test_a_multiple_choice_document_is_one_attempt_without_an_answer(tmp_path):
    choices = [[["-1.2", "True"]], [["-3.4", "False"]]]
    mc = lm_eval_sample(0, [], "", 0, resps=choices, filtered_resps=[["-1.2", "True"]] * 2)
    mc |= {"metrics": ["acc", "acc_norm"], "acc": 1.0, "acc_norm": 0.0}
    (made,) = read(write_lines(tmp_path / "samples_arc.jsonl", [mc]))
    assert made.correct is True and made.canonical is None and made.text == ""


def test_verifiers_results_with_their_metadata(tmp_path):
    rows = [
        rollout(0, 1.0, "42"),
        rollout(0, 0.6, "41"),
        rollout(1, 0.0, "", error={"error": "ModelError", "message": "503"}),
        rollout(1, 1.0, "4", is_truncated=True),
    ]
    attempts = read(write_results(tmp_path, rows, pass_threshold=0.5))
    assert {(a.family, a.system) for a in attempts} == {("gsm8k", "qwen3-1.7b")}
    assert [a.correct for a in attempts] == [True, True, None, True]
    assert [a.finish for a in attempts] == ["stop", "stop", "error", "length"]
    assert (attempts[0].ledger.prompt, attempts[0].ledger.generated) == (30, 90)
    assert attempts[0].text == "42"
    strict = read(write_results(tmp_path, rows), threshold=1.0)
    assert strict[1].correct is False
    with pytest.raises(UsageError, match=r"rollout 2: partial credit 0\.6"):
        read(write_results(tmp_path, rows))


def test_verifiers_traces_of_v1(tmp_path):
    failed = episode("c", 1.0, ok=False, errors=[{"type": "ProviderError", "message": "503"}])
    cut = episode("d", 0.0, stop_condition="max_output_tokens")
    rows = [episode("a", 1.0), episode("b", None), failed, cut]
    attempts = read(write_lines(tmp_path / "traces.jsonl", rows))
    assert [a.problem for a in attempts] == ["a", "b", "c", "d"]
    assert [a.correct for a in attempts] == [True, None, None, False]
    assert [a.finish for a in attempts] == ["stop", "stop", "error", "length"]
    ledger = attempts[0].ledger
    assert (ledger.prompt, ledger.cached, ledger.thinking, ledger.answer) == (15, 5, 30, 20)
    assert attempts[0].family == "gsm8k-v1" and attempts[0].system == "qwen3-4b"
    both = episode("e", 1.0)
    both["traces"] *= 2
    with pytest.raises(UsageError, match="2 scored agents"):
        read(write_lines(tmp_path / "traces.jsonl", [both]))
    nothing = {**episode("f", 1.0), "traces": [], "errors": [{"message": "no box"}]}
    (made,) = read(write_lines(tmp_path / "traces.jsonl", [nothing]))
    assert made.finish == "error" and made.failure is not None and made.failure.message == "no box"


def test_records_of_a_run_are_sent_to_their_folder(tmp_path):
    path = write_lines(tmp_path / "attempts.jsonl", [{"ledger": {}, "schema_version": 1}])
    with pytest.raises(UsageError, match=f"forage analyze {tmp_path}"):
        read(path)
