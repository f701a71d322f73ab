"""The config as a whole: defaults, what sections ask of each other, and the way back to YAML."""

import json
from pathlib import Path

import pytest

from analysis.foreign.rows import Row, to_attempts
from experiment import (
    begun,
    checked,
    experiment_from,
    experiment_of_files,
    is_registered,
    resolved,
    system_infos,
)
from sample.errors import UsageError
from sample.runfolder import RunFolder, write_yaml

MODELS = {"small": {"path": "a"}, "large": {"path": "b"}}
SAMPLE = {
    "models": MODELS,
    "adapters": {"tuned": {"path": "c", "model": "small"}},
    "problems": {"countdown": {"task": "countdown"}},
    "arms": {"parallel": {"strategy": "parallel"}},
}
TRAIN = {"model": "large", "methods": {"diverse": {}, "history": {}}, "seeds": [0, 3]}
WHOLE = {"name": "x", "sample": SAMPLE, "train": TRAIN}


def changed(path, value):
    """WHOLE with another value at a dotted path."""
    *parents, last = path.split(".")
    data = place = {**WHOLE}
    for name in parents:
        place[name] = {**place.get(name, {})}
        place = place[name]
    place[last] = value
    return data


def test_defaults_are_written_out_and_read_back_to_the_same_experiment():
    experiment = experiment_from(WHOLE)
    data = resolved(experiment)
    assert data["seed"] == 0 and data["sample"]["attempts"] == 8 and "pretrain" not in data
    assert experiment_from(data) == experiment


def test_the_study_is_about_the_model_called_base_else_the_first():
    assert experiment_from(WHOLE).section("analyze").base == "small"
    named = {"base": {"path": "c"}}
    with_base = changed("sample.models", {**MODELS, **named})
    assert experiment_from(with_base).section("analyze").base == "base"
    assert experiment_from({"name": "x"}).analyze is None


def test_settings_are_registered_if_the_run_was_begun_with_them(tmp_path):
    folder, experiment = RunFolder(tmp_path), experiment_from(WHOLE)
    assert not is_registered(experiment, folder)
    # without what has a default, as of a run begun before there was such an option
    write_yaml(folder.config, WHOLE)
    assert is_registered(experiment, folder)
    assert not is_registered(experiment_from(changed("analyze.margin", 0.05)), folder)
    with pytest.raises(UsageError, match="seed"):
        is_registered(experiment_from(changed("seed", 2)), folder)


def test_systems_are_the_models_the_adapters_and_those_to_train():
    infos = system_infos(experiment_from(WHOLE))
    assert {name: info.base for name, info in infos.items()} == {
        "small": None, "large": None, "tuned": "small",
        "diverse-s0": "large", "diverse-s3": "large", "history-s0": "large", "history-s3": "large",
    }  # fmt: skip
    assert (infos["history-s3"].method, infos["history-s3"].seed) == ("history", 3)
    assert system_infos(experiment_from({"name": "x"})) == {}


@pytest.mark.parametrize(
    "path,value,says",
    [
        ("smaple", {}, "did you mean 'sample'?"),
        ("name", "a/b", "config: name: expected letters"),
        ("workers", 0, "config: workers: expected 1 or more"),
        ("sample", None, "config: train: expected a section 'sample' beside it"),
        ("train.model", "base", "config: train.model: expected one of small, large"),
        ("train.methods", {"a b": {}}, "config: train.methods: expected letters"),
        (
            "train.methods",
            {"m": {"rewards": {"maths": {}}}},
            "m.rewards: expected families",
        ),
        ("sample.attempts", 1, "config: sample.attempts: expected 2 or more, as an only attempt"),
        ("sample.models.diverse-s0", {"path": "d"}, "systems not named as a trained adapter"),
        ("sample.arms.parallel.systems", ["diverse-s1"], "sample.arms.parallel.systems"),
        ("analyze", 3, "config: analyze: expected keys and values"),
        ("analyze.base", "tuned", "config: analyze.base: expected one of small, large"),
        ("analyze.primary", {"chess": "last"}, "config: analyze.primary: expected one of count"),
        ("analyze.stopping", {}, "config: analyze.stopping: expected an arm 'sequential' on small"),
        ("analyze.stopping", {"looks": 99}, "config: analyze.stopping.looks: expected 1 to 50"),
    ],
)
def test_sections_that_do_not_fit_are_named(path, value, says):
    with pytest.raises(UsageError) as error:
        experiment_from(changed(path, value))
    assert says in str(error.value)


def test_an_only_attempt_trains_without_histories():
    alone = {**WHOLE, "sample": {**SAMPLE, "attempts": 1}}
    alone["train"] = {**TRAIN, "methods": {"single": {"histories": False}}}
    assert experiment_from(alone).section("sample").attempts == 1


def test_a_stopping_rule_must_fit_the_number_of_problems():
    both = {name: {"strategy": name} for name in ("parallel", "sequential")}
    data = {**changed("sample.arms", both), "analyze": {"stopping": {"looks": 10}}}
    assert resolved(experiment_from(data))["analyze"]["stopping"]["method"] == "obrien-fleming"
    few = {**data, "sample": {**data["sample"], "problems": {"x": {"task": "x", "count": 19}}}}
    with pytest.raises(UsageError, match=r"2 problems a look or more .*given: '19 problems'"):
        experiment_from(few)


def test_methods_resolve_as_before_they_could_go_on_from_others():
    two = {"a": {"algorithm": "sft", "learn": "new"}, "b": {"start": "a"}}
    methods = resolved(experiment_from(changed("train.methods", two)))["train"]["methods"]
    assert "start" not in methods["a"] and methods["a"]["learn"] == "new"
    assert "learn" not in methods["b"] and methods["b"]["start"] == "a"


def test_a_config_without_a_stopping_rule_resolves_as_before_there_was_one():
    assert "stopping" not in resolved(experiment_from(WHOLE))["analyze"]


ATTEMPTS = to_attempts([Row("p", True, answer="1", canonical="1")])


def test_a_config_without_min_p_resolves_as_before_there_was_one():
    data = changed("sample.decoding", {"min_p": 0.1})
    assert resolved(experiment_from(data))["sample"]["decoding"]["min_p"] == 0.1
    assert "min_p" not in resolved(experiment_from(WHOLE))["sample"]["decoding"]


def test_problems_whose_answers_are_graded_resolve_as_before_there_was_a_choice():
    family = {"task": "chain_sum", "split": "train"}
    sets = resolved(experiment_from({"name": "p", "pretrain": {"problems": {"sums": family}}}))
    assert "graded" not in sets["pretrain"]["problems"]["sums"]
    assert "graded" not in resolved(experiment_from(WHOLE))["sample"]["problems"]["countdown"]


def test_files_without_answers_are_judged_by_coverage():
    silent = to_attempts([Row("p", True)])
    paths = [Path("a.csv")]
    for attempts, primary in ((ATTEMPTS, {}), (silent, {"data": "coverage"})):
        assert experiment_of_files(paths, attempts, ()).section("analyze").primary == primary
    asked = experiment_of_files(paths, silent, ("analyze.primary.data=accuracy",))
    assert asked.section("analyze").primary == {"data": "accuracy"}
    with pytest.raises(UsageError, match=r"primary\.data=last needs answers.*answer=NAME"):
        experiment_of_files(paths, silent, ("analyze.primary.data=last",))


def test_files_of_others_were_ended_by_no_rule():
    with pytest.raises(UsageError, match=r"analyze\.stopping: expected a run"):
        experiment_of_files([Path("a.csv")], ATTEMPTS, ("analyze.stopping.looks=4",))


def test_a_rule_is_asked_for_before_a_run_begins(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(WHOLE))
    ask = begun(config, tmp_path / "run", (), "sample", stops=True)
    with pytest.raises(UsageError, match="--until-decided needs a rule"), ask:
        pass
    assert not (tmp_path / "run").exists()


def test_an_arm_may_run_on_an_adapter_that_is_still_to_be_trained():
    experiment_from(changed("sample.arms.parallel.systems", ["small", "history-s3"]))


def test_a_section_that_a_verb_needs_is_asked_for():
    with pytest.raises(UsageError, match="this verb needs a section 'pretrain:'"):
        experiment_from(WHOLE).section("pretrain")


@pytest.mark.parametrize(
    "arm,says",
    [
        ({"strategy": "zigzag"}, "no strategy 'zigzag'"),
        ({"strategy": "gone.py:walk"}, "cannot read 'gone.py'"),
        ({"strategy": "chains", "options": {"width": 3}}, "width"),
    ],
)
def test_strategies_are_checked_before_a_run_begins_but_not_to_read_its_records(
    tmp_path, arm, says
):
    data = changed("sample.arms.other", arm)
    experiment_from(data)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(data))
    with pytest.raises(UsageError) as error, begun(config, tmp_path / "run", (), "sample"):
        pass
    assert says in str(error.value) and not (tmp_path / "run").exists()


def test_an_arm_that_needs_lengths_is_refused_where_nobody_counts_them(tmp_path):
    path = tmp_path / "config.yaml"
    plain = {"engine": "openai", "model": "m", "urls": ["http://a"], "server": "plain"}
    arms = {"sequential": {"strategy": "sequential"}, "long": {"strategy": "irrelevant_context"},
            "dashes": {"strategy": "masked"}}  # fmt: skip
    for arm in ("long", "dashes"):
        kept = {name: given for name, given in arms.items() if name in (arm, "sequential")}
        sample = {**SAMPLE, "adapters": {}, "models": {"base": plain}, "arms": kept}
        path.write_text(json.dumps({"name": "x", "sample": sample}))
        with pytest.raises(UsageError, match=rf"base\.tokenizer: expected a folder.*'{arm}'"):
            checked(path, None, (), "sample")
        checked(path, None, ("sample.models.base.tokenizer=t",), "sample")
        checked(path, None, ("sample.models.base.server=vllm",), "sample")


def test_begun_thinking_and_a_budget_of_it_are_refused_before_anything_is_made(tmp_path):
    forced = {**SAMPLE, "arms": {"forced": {"strategy": "budget_forcing"}}}
    for model, says in (
        ({"engine": "scripted"}, r"sample\.models\.base\.engine: expected one with thinking"),
        ({"engine": "openai", "model": "m", "urls": ["http://a"], "server": "plain"},
         r"sample\.models\.base\.server: expected vllm"),
        ({"engine": "openai", "model": "m", "urls": ["http://a"]},
         r"sample\.models\.base\.tokenizer: expected the model's folder"),
    ):  # fmt: skip
        path = tmp_path / "config.yaml"
        sample = {**forced, "models": {"base": model}, "adapters": {}}
        path.write_text(json.dumps({"name": "x", "sample": sample}))
        with pytest.raises(UsageError, match=says), begun(path, tmp_path / "run", ()):
            pass
    with pytest.raises(UsageError, match="none beside a section 'train'"):
        able = {name: {"engine": "vllm", "path": "a"} for name in MODELS}
        decoding = {"thinking_budget": 5}
        experiment_from({**WHOLE, "sample": {**SAMPLE, "models": able, "decoding": decoding}})
