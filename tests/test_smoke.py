"""Every verb and every config for two steps, through the real entry point."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FORAGE = (sys.executable, "-m", "forage")
TINY = (
    "sample.attempts=2", "sample.replicates=1", "train.steps=2", "train.groups=3",
    "train.group_size=2", "train.refresh=1", "train.seeds=[0]", "train.problem_count=8",
    "analyze.resamples=200", "workers=2",
)  # fmt: skip
PRETRAIN = (
    "pretrain.steps=2", "pretrain.documents=3", "pretrain.architecture.layers=1",
    *(f"pretrain.problems.{family}.count=40" for family in ("countdown", "chain_sum", "functions")),
)  # fmt: skip

pytestmark = pytest.mark.smoke


def options(*settings):
    return [word for setting in settings for word in ("--set", setting)]


def forage(*words, code=0):
    done = subprocess.run([*FORAGE, *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def tiny(config, *more):
    path = f"configs/{config}.yaml"
    families = yaml.safe_load((ROOT / path).read_text())["sample"]["problems"]
    counts = [f"sample.problems.{family}.count=4" for family in families]
    return [path, *options(*TINY, *counts, *more)]


def records(folder):
    """Every record but its timing and what was cached by then, in one order."""
    lines = [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]
    for line in lines:
        line["ledger"] |= {"seconds": 0, "cached": 0}
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


@pytest.mark.parametrize(
    "config,method",
    [
        ("demo", "diverse"),
        ("study", "diverse"),
        ("families/countdown", "diverse"),
        ("families/functions", "diverse"),
        ("transfer", "on_functions"),
    ],
)
def test_run_does_everything_in_a_config(config, method, tmp_path):
    attempts = ("sample.attempts=8",) if config == "transfer" else ()
    forage("run", *tiny(config, *attempts), "-o", tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    for family in summary["families"].values():
        adapter = family["adapters"][f"{method}-s0"]
        assert {"verdict", "gap_base", "gap_adapted", "did"} <= set(adapter)
        arms = family["systems"]["base"]["arms"]
        for key in ("accuracy", "coverage", "repeat_rate", "distinct", "tokens"):
            assert key in arms["sequential"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert method in page and "no evidence" in page
    shown = forage("probe", tmp_path / "run", "--problems", 2, "--attempts", 2, "--depth", 1).stdout
    assert "after 1" in shown and f"{method}-s0" in shown
    probes = json.loads((tmp_path / "run" / "probes.json").read_text())
    for family in probes["families"].values():
        depths = family["systems"][f"{method}-s0"]["depths"]
        assert family["n_problems"] == 2 and list(depths) == ["1"]
    assert "The same histories" in (tmp_path / "run" / "report.html").read_text()


def test_doctor_tells_what_a_config_lacks(tmp_path):
    assert "system base" in forage("doctor", "configs/demo.yaml").stdout
    lacking = ("doctor", "configs/demo.yaml", *options(f"sample.models.base.path={tmp_path}"))
    assert "no config.json" in forage(*lacking, code=1).stdout


def test_every_arm_samples(tmp_path):
    settings = ("sample.attempts=4", "sample.problems.countdown.count=3")
    forage("sample", "configs/arms.yaml", *options(*settings), "-o", tmp_path / "run")
    made = [json.loads(line) for line in records(tmp_path / "run")]
    assert len(made) == 3 * 4 * len({line["arm"] for line in made}) and len(made) > 250
    assert not [line for line in made if line["finish"] == "error"]


def test_each_verb_alone_and_nothing_is_done_twice(tmp_path):
    run = tmp_path / "run"
    forage("sample", *tiny("demo"), "-o", run)
    base = records(run)
    forage("train", run)
    weights = run / "adapters" / "diverse-s0" / "adapter_model.safetensors"
    trained = weights.stat().st_mtime_ns
    forage("sample", run)
    everything = records(run)
    assert set(base) < set(everything)
    forage("run", run)
    assert records(run) == everything and weights.stat().st_mtime_ns == trained
    forage("analyze", run)
    forage("report", run)


def test_failed_attempts_are_made_again_when_asked(tmp_path):
    run, model = tmp_path / "run", "sample.models.base={engine: scripted, failures: 0.3}"
    sizes = ("sample.problems.countdown.count=4", "sample.attempts=4", "sample.replicates=1")
    assert (
        "--retry-failed"
        in forage("sample", "configs/demo.yaml", *options(model, *sizes), "-o", run).stderr
    )
    before = records(run)
    assert "made again: " in forage("sample", run, "--retry-failed").stderr
    # A scripted failure hangs on the seed, so it comes again.
    assert records(run) == before and (run / "withdrawn.jsonl").exists()


def test_plan_and_recommend_from_a_scripted_pilot(tmp_path):
    run, model = tmp_path / "run", "sample.models.base={engine: scripted, reuse: 0.7}"
    sizes = ("sample.problems.countdown.count=40", "sample.attempts=4", "sample.replicates=2")
    forage("sample", "configs/demo.yaml", *options(model, *sizes), "-o", run)
    assert "base is simulated" in forage("analyze", run).stdout
    assert "problems" in forage("plan", run).stdout and (run / "figures" / "plan.svg").exists()
    said = " ".join(forage("recommend", run, "--budget", 60).stdout.split())
    assert "With 60 generated tokens per problem run " in said
    assert "rsa" in forage("sample", "--list-strategies").stdout


def test_several_runs_are_analyzed_as_one(tmp_path):
    model = "sample.models.base={engine: scripted, reuse: 0.7}"
    sizes = ("sample.problems.countdown.count=12", "sample.attempts=4", "sample.replicates=1")
    words = ("sample", "configs/demo.yaml", *options(model, *sizes, "train=null", "workers=1"))
    a, b = tmp_path / "a", tmp_path / "b"
    forage(*words, "-o", a)
    spelled = "sample.arms.sequential={strategy: sequential}"  # the same: its option is the default
    forage(*words, *options("sample.problems.countdown.seed=5", spelled), "-o", b)
    forage("analyze", a, b, "-o", tmp_path / "ab")
    found = json.loads((tmp_path / "ab" / "summary.json").read_text())
    assert found["families"]["countdown"]["n_problems"] == 24
    assert found["settings"]["fixed_before_sampling"]
    assert any("0 are in every run" in warning for warning in found["warnings"])
    assert "sampled otherwise" not in str(found["warnings"])
    assert (tmp_path / "ab" / "report.html").exists()
    other = ("--set", "sample.models.base={engine: scripted, reuse: 0.1}")
    prompt = "sample.arms.sequential.options.reanswer=1"
    forage(*words, *other, *options("analyze.margin=0.1", prompt), "-o", tmp_path / "c")
    assert "both have base" in forage("analyze", a, tmp_path / "c", code=2).stderr
    assert not Path(ROOT / "runs" / "demo-joined").exists()
    forage("analyze", f"x={a}", f"y={tmp_path / 'c'}", "-o", tmp_path / "xy")
    found = json.loads((tmp_path / "xy" / "summary.json").read_text())
    assert set(found["families"]["countdown"]["systems"]) == {"x-base", "y-base"}
    assert not found["settings"]["fixed_before_sampling"]
    assert "options.reanswer is 1, not 0" in str(found["warnings"])
    table = tmp_path / "x.csv"
    table.write_text("problem,correct\n1,1\n")
    done = forage("analyze", a, table, code=2)
    assert done.stderr.startswith("error: analyze reads runs or files, not both at once")


def test_a_probe_needs_a_finished_run_with_histories(tmp_path):
    scripted = ("sample.models.base={engine: scripted, reuse: 1}", "sample.attempts=4")
    sizes = ("sample.problems.countdown.count=4", "workers=1")
    words = ("sample", "configs/demo.yaml", *options(*scripted, *sizes))
    forage(*words, *options("train=null"), "-o", tmp_path / "run")
    shown = forage("probe", tmp_path / "run").stdout
    assert "log-probabilities are left out" in shown and "after 3" in shown
    forage(*words, *options("train=null", "sample.arms={parallel: {strategy: parallel}}"),
           "-o", tmp_path / "bare")  # fmt: skip
    assert "no arm with strategy: sequential" in forage("probe", tmp_path / "bare", code=2).stderr
    forage("sample", *tiny("demo"), "-o", tmp_path / "untrained")
    said = forage("probe", tmp_path / "untrained", code=2).stderr
    assert "not trained yet: " in said and "forage train" in said


SCRIPTED = (
    "sample.models.base={engine: scripted, accuracy: 0.6, reuse: 0.9}",
    "sample.models.even={engine: scripted}", "sample.attempts=4", "sample.replicates=2",
    "sample.problems.countdown.count=40", "sample.arms.other_problems={strategy: other_problems}",
    "analyze.stopping={looks: 5}", "analyze.resamples=100", "workers=1", "train=null",
)  # fmt: skip


def stopping(run):
    forage("analyze", run)
    summary = json.loads((run / "summary.json").read_text())
    assert not [text for text in summary["warnings"] if "not made yet" in text or "missing" in text]
    return summary["families"]["countdown"]


def test_a_planted_gap_stops_sampling_early_for_every_arm_and_system(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    words = ("sample", "configs/demo.yaml", *options(*SCRIPTED), "--until-decided", "-o")
    assert "countdown: Decided: gap;" in forage(*words, whole).stderr
    family = stopping(whole)
    found, asked = family["stopping"], family["stopping"]["asked"]
    assert found["answer"] == "gap" and asked < 40 and "stopped early" in found["caution"]
    arms = [arm for system in family["systems"].values() for arm in system["arms"].values()]
    assert len(arms) == 5 + 3
    # a pair of problems is never parted, so that one more than asked may be there
    assert {arm["attempts"] for arm in arms} == {(asked + asked % 2) * 8}
    # torn off anywhere, and given again: the same problems, partners and decision
    forage(*words, cut)
    lines = (cut / "attempts.jsonl").read_text().splitlines(keepends=True)
    (cut / "attempts.jsonl").write_text("".join(lines[:333]) + lines[333][:50])
    forage(*words, cut)
    assert records(cut) == records(whole)
    # the rest in the same order, without another partner for anybody
    forage("sample", cut)
    assert set(records(whole)) < set(records(cut))
    assert stopping(cut)["stopping"]["caution"] is None


def test_a_planted_adapter_stops_sampling_early_once_its_verdict_is_decided(tmp_path):
    run, adapter = tmp_path / "run", tmp_path / "new.yaml"
    adapter.write_text("reuse: 0.0")
    words = options(
        *SCRIPTED, "sample.problems.countdown.count=100", "analyze.margin=0.12",
        f"sample.adapters.new={{model: base, path: {adapter}}}",
    )  # fmt: skip
    said = forage("sample", "configs/demo.yaml", *words, "--until-decided", "-o", run).stderr
    assert "countdown: Decided: gap;" in said and "It goes on for new." in said
    family = stopping(run)
    found, judged = family["stopping"], family["adapters"]["new"]
    assert found["adapters"] == {"new": "CLOSED"} and judged["verdict"] == "CLOSED"
    assert found["asked"] < 100 and judged["did"]["n"] == found["asked"]
    assert all(step["passed"] for step in judged["steps"])


def test_no_gap_is_sampled_to_a_decision_or_to_the_end(tmp_path):
    run, even = tmp_path / "run", "sample.models.base={engine: scripted}"
    forage("sample", "configs/demo.yaml", *options(*SCRIPTED, even), "--until-decided", "-o", run)
    found = stopping(run)["stopping"]
    assert found["stop"] and found["answer"] in (None, "within margin")
    assert found["answer"] or found["asked"] == 40


def test_until_decided_is_refused_where_it_could_not_hold(tmp_path):
    run = tmp_path / "run"
    words = ("sample", "configs/demo.yaml", *options(*SCRIPTED), "-o", run)
    forage(*words)
    assert "begun without --until-decided" in forage(*words, "--until-decided", code=2).stderr
    other = forage(*words[:-1], tmp_path / "other", "--dry-run", "--until-decided", code=2)
    assert "--dry-run counts every problem" in other.stderr
    bare = forage("sample", *tiny("demo"), "-o", tmp_path / "bare", "--until-decided", code=2)
    assert "analyze: {stopping:" in bare.stderr and not (tmp_path / "bare").exists()


@pytest.mark.parametrize(
    "config",
    [
        *sorted((ROOT / "configs" / "paper").glob("*.yaml")),
        "configs/demo.yaml",
        "configs/methods.yaml",
    ],
    ids=str,
)
def test_a_dry_run_needs_no_network_no_model_and_no_folder(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    run = tmp_path / "run"
    shown = forage("run", config, "-o", run, "--dry-run", "--price", "1,2", "--throughput", 900)
    assert "sequential" in shown.stdout and "cost: " in shown.stdout and "hours: " in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80 and not run.exists()


@pytest.mark.parametrize("config", sorted((ROOT / "configs" / "pretrain").glob("*.yaml")))
def test_pretrain_makes_a_model_that_can_be_sampled(config, tmp_path):
    forage("pretrain", config, "-o", tmp_path / "model", *options(*PRETRAIN))
    found = sorted((tmp_path / "model").rglob("model.safetensors"))
    assert found
    model = f"sample.models.base.path={found[0].parent}"
    forage("sample", *tiny("demo", model), "-o", tmp_path / "run")


def test_killed_at_any_moment_ends_with_the_same_records(tmp_path):
    forage("run", *tiny("demo"), "-o", tmp_path / "whole")
    words = [*FORAGE, "run", *tiny("demo"), "-o", str(tmp_path / "cut")]
    rng = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(rng.uniform(4, 14))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    forage(*words[3:])
    assert records(tmp_path / "cut") == records(tmp_path / "whole")
    same = "adapters/diverse-s0/adapter_model.safetensors"
    assert (tmp_path / "cut" / same).read_bytes() == (tmp_path / "whole" / same).read_bytes()


@pytest.mark.parametrize(
    "words,says",
    [
        (["run", "no-such.yaml"], "no-such.yaml"),
        (["run", *tiny("demo", "sample.nonsense=1")], "nonsense"),
        (["run", *tiny("demo", "sample.models.base.path=no/such/model")], "no/such/model"),
        (["sample", *tiny("demo", "sample.arms.parallel.strategy=zigzag")], "zigzag"),
        (["run", *tiny("demo", "sample.attempts=zero")], "attempts"),
        (["run", *tiny("demo", "sample.models.base.engine=gpu")], "transformers, vllm"),
        (["run", *tiny("demo"), "--price", "1,2"], "--dry-run"),
        (["run", *tiny("demo"), "--dry-run", "--price", "1"], "0.3,2.5"),
        (["run", *tiny("demo"), "--dry-run", "--expect", "99"], "max_new_tokens (48)"),
        *(
            ([verb, *tiny("demo", "sample.decoding.max_new_tokens=5000"), "--dry-run"], "of 4096")
            for verb in ("sample", "train")
        ),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(words, says, tmp_path):
    done = forage(*words, "-o", tmp_path / "run", code=2)
    *before, error = done.stderr.strip().splitlines()
    assert error.startswith("error: ") and says in error
    assert not any("error" in line.lower() for line in before)


def test_a_folder_of_another_config_and_torn_records_are_named(tmp_path):
    run = tmp_path / "run"
    forage("sample", *tiny("demo"), "-o", run)
    done = forage("sample", *tiny("demo", "seed=99"), "-o", run, code=2)
    assert "seed" in done.stderr
    path = run / "attempts.jsonl"
    whole = records(run)
    text = path.read_text()
    path.write_text(text[:-30])
    forage("sample", run)
    assert records(run) == whole
    path.write_text("{broken}\n" + text)
    done = forage("analyze", run, code=2)
    assert "attempts.jsonl" in done.stderr and "1" in done.stderr
