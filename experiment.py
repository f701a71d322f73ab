"""The experiment config: one YAML file, a section for each program, checked as a whole.

It stands beside the packages because it alone knows all their sections.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from analysis.config import PARALLEL, SEQUENTIAL, AnalysisConfig, SystemInfo
from analysis.foreign.primary import primary_of_files
from sample.asked import arms_on
from sample.config import (
    SampleConfig,
    config_systems,
    find_model,
    need,
    override,
    parse,
    plain,
    plain_decoding,
    read_yaml,
    refuse_unknown_keys,
)
from sample.errors import UsageError
from sample.models import OpenAIModel
from sample.open_decoding import LENGTH, WHOLE, decoding_of, fill_open, shipped_decoding
from sample.records import ANSWER, Attempt
from sample.run import Run, at_work, find_run, folder_name
from sample.runfolder import RunFolder, refuse_other_config
from train.config import TrainConfig
from train.grid import expand
from train.method_config import LATER
from train.pretrain.config import PretrainConfig

SECTIONS: dict[str, type] = {
    "sample": SampleConfig,
    "train": TrainConfig,
    "analyze": AnalysisConfig,
    "pretrain": PretrainConfig,
}


@dataclass(frozen=True)
class Header:
    """name: of the default run folder. seed: every random number of sampling and training derives
    from it. workers: processes at work at a time; no result depends on it."""

    name: str
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        _need_name(self.name, "name")
        need(self.workers >= 1, "workers", "1 or more", self.workers)


@dataclass(frozen=True)
class Experiment(Header):
    """One YAML file; a section that is not there is None."""

    sample: SampleConfig | None = None
    train: TrainConfig | None = None
    analyze: AnalysisConfig | None = None
    pretrain: PretrainConfig | None = None

    def section(self, name: str) -> Any:
        """The section of that name.

        Raises:
            UsageError: it is not there.
        """
        section = getattr(self, name)
        if section is None:
            raise UsageError(
                f"config: this verb needs a section '{name}:'; see configs/ for examples"
            )
        return section


def experiment_from(data: Mapping[str, Any]) -> Experiment:
    """The experiment of a YAML mapping, every section checked.

    Raises:
        UsageError: unknown keys, wrong types, or sections that do not fit each other.
    """
    refuse_unknown_keys(data, [f.name for f in fields(Experiment)], "")
    header = parse(Header, {k: v for k, v in data.items() if k not in SECTIONS}, "")
    given = {name: data[name] for name in SECTIONS if data.get(name) is not None}
    sections: dict[str, Any] = {}
    for name, kind in SECTIONS.items():
        if name in given:
            sections[name] = parse(kind, given[name], name)
        if name == "sample" and name in given:
            base = {"base": _default_base(sections[name])}
            given["analyze"] = {**base, **_mapping(given, "analyze")}
    experiment = Experiment(header.name, header.seed, header.workers, **sections)
    _check(experiment)
    return experiment


def experiment_of_files(
    paths: Sequence[Path], attempts: Sequence[Attempt], overrides: tuple[str, ...]
) -> Experiment:
    """The settings for attempts that others made: named like the first file, no other section.

    The study is about the system "base" if it is one of the attempts', else about the first.

    Raises:
        UsageError: an override that is malformed, names another section, or asks for a vote where
            there are no answers.
    """
    data = override({"name": folder_name(paths[0].stem)}, overrides)
    others = sorted(set(data) - {"name", "analyze"})
    need(not others, "--set", "analyze.KEY=VALUE for files", ", ".join(others))
    names = [attempt.system for attempt in attempts]
    base = {"base": "base" if "base" in names else names[0]}
    analyze = _mapping(data, "analyze")
    none = "stopping" not in analyze
    need(none, "analyze.stopping", "a run sampled --until-decided; no rule ended files", "files")
    primary = primary_of_files(attempts, _mapping(analyze, "primary"))
    return experiment_from({**data, "analyze": {**base, **analyze, "primary": primary}})


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = given.get(name, {})
    if not isinstance(section, Mapping):
        raise UsageError(f"config: {name}: expected keys and values (given: {section!r})")
    return section


def _default_base(sample: SampleConfig) -> str:
    return "base" if "base" in sample.models else next(iter(sample.models))


def _check(experiment: Experiment) -> None:
    """What no section can check alone."""
    sample = experiment.sample
    if sample is None:
        need(experiment.train is None, "train", "a section 'sample' beside it", "none")
        return
    if experiment.train is not None:
        _check_train(experiment.train, sample)
        if experiment.train.hardware.processes > 1:
            need(
                experiment.workers == 1,
                "workers",
                "1 beside several processes an adapter",
                experiment.workers,
            )
    _check_systems(sample, experiment.train)
    if experiment.analyze is not None:
        _check_analyze(experiment.analyze, sample)


def _check_strategies(sample: SampleConfig) -> None:
    """Apart from ``_check``: records can be analyzed when a user's strategy file is gone."""
    from sample.strategies import check_arms, check_sizes

    check_arms(sample.arms)
    counts = {name: given.count for name, given in sample.problems.items() if given.count}
    check_sizes(sample.arms, sample.attempts, counts)
    _check_abilities(sample)


def _check_budget(sample: SampleConfig) -> None:
    from sample.strategies import check_budget

    check_budget(sample.arms, sample.budget, sample.decoding.max_new_tokens)


def _check_abilities(sample: SampleConfig) -> None:
    """Strategies that begin the model's thinking, or ask for the length of prompts, against the
    models that they run on."""
    from sample.strategies import find_strategy

    for system in config_systems(sample):
        for name, arm in arms_on(sample, system.name).items():
            strategy, where = find_strategy(arm.strategy), f"sample.models.{system.base}"
            if strategy.prefills:
                system.model.check_prefill(where)
            if strategy.counts and isinstance(system.model, OpenAIModel):
                system.model.check_counts(where, name)


def _check_train(train: TrainConfig, sample: SampleConfig) -> None:
    find_model(sample, train.model, "train.model")
    thinking = sample.decoding.thinking_budget
    expected = "none beside a section 'train', whose attempts have no forced end of thinking"
    need(thinking is None, "sample.decoding.thinking_budget", expected, thinking)
    for name, method in train.methods.items():
        _need_name(name, "train.methods")
        shown = method.history is None or sample.attempts > 1
        alone = "2 or more, as an only attempt has no history; or histories: false for "
        need(shown, "sample.attempts", f"{alone}train.methods.{name}", sample.attempts)
        depths, most = method.history.depths if method.history else (), sample.attempts
        deep = f"at most sample.attempts ({most}) weights"
        need(len(depths) <= most, f"train.methods.{name}.histories.depths", deep, depths)
        for family in method.rewards:
            families = method.families or list(sample.problems)
            known = f"families it is trained on: {', '.join(families)}"
            need(family in families, f"train.methods.{name}.rewards", known, family)


def _check_systems(sample: SampleConfig, train: TrainConfig | None) -> None:
    names = [system.name for system in config_systems(sample)]
    for name in train.adapters if train else ():
        need(name not in names, "sample", "systems not named as a trained adapter", name)
        names.append(name)
    for arm, config in sample.arms.items():
        for name in config.systems or ():
            need(name in names, f"sample.arms.{arm}.systems", f"some of {', '.join(names)}", name)


def _check_analyze(analyze: AnalysisConfig, sample: SampleConfig) -> None:
    find_model(sample, analyze.base, "analyze.base")
    for family in analyze.primary:
        known = f"one of {', '.join(sample.problems)}"
        need(family in sample.problems, "analyze.primary", known, family)
    if analyze.stopping is not None:
        _check_stopping(analyze, sample)


def _check_stopping(analyze: AnalysisConfig, sample: SampleConfig) -> None:
    for arm in (PARALLEL, SEQUENTIAL):
        given = sample.arms.get(arm)
        there = given is not None and (given.systems is None or analyze.base in given.systems)
        need(there, "analyze.stopping", f"an arm {arm!r} on {analyze.base}", "none")
    for problems in sample.problems.values():
        if problems.count is not None:
            analyze.rule(problems.count)


def _need_name(name: str, where: str) -> None:
    legal = re.fullmatch(r"\w[\w.-]*", name)
    need(legal is not None, where, "letters, digits, '.', '_' and '-'", name)


def system_infos(experiment: Experiment) -> dict[str, SystemInfo]:
    """What the analysis must know of each system of the config."""
    sample, train = experiment.sample, experiment.train
    if sample is None:
        return {}
    infos = {
        system.name: SystemInfo(system.name, system.base, system.name)
        if system.adapter
        else SystemInfo(system.name)
        for system in config_systems(sample)
    }
    if train is not None:
        for name, (method, seed) in train.adapters.items():
            infos[name] = SystemInfo(name, train.model, method, seed)
    return infos


def resolved(experiment: Experiment) -> dict[str, Any]:
    """The experiment as YAML data: every default written out, absent sections left out."""
    data = {key: value for key, value in plain(experiment).items() if value is not None}
    if experiment.analyze is not None and experiment.analyze.stopping is None:
        del data["analyze"]["stopping"]
    for method in data["train"]["methods"].values() if experiment.train else ():
        for key, default in LATER.items():
            if method[key] == default:
                del method[key]
    if experiment.sample is not None:
        data["sample"]["decoding"] = plain_decoding(experiment.sample.decoding)
    for section in (data.get("sample"), data.get("pretrain")):
        for problems in section["problems"].values() if section else ():
            if problems["graded"] == ANSWER:
                del problems["graded"]
    return data


def is_registered(experiment: Experiment, folder: RunFolder) -> bool:
    """Whether it has the ``analyze`` settings that the run in the folder was begun with.

    Raises:
        UsageError: anything else differs from the run's config.
    """
    if not folder.config.exists():
        return False
    # Resolved anew: a run begun before an option existed was begun with its default.
    begun, now = resolved(experiment_from(read_yaml(folder.config))), resolved(experiment)
    same = begun.pop("analyze", None) == now.pop("analyze", None)
    refuse_other_config(folder.path, begun, now)
    return same


@contextmanager
def begun(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    *needs: str,
    grid: tuple[str, ...] = (),
    stops: bool = False,
) -> Iterator[tuple[Experiment, Run]]:
    """The experiment of CONFIG_OR_RUN and its run, begun or resumed.

    needs: the sections the verb cannot do without. grid: see ``train.grid.expand``. stops: it needs
    a stopping rule too.

    Raises:
        UsageError: no such config, one of no use here, or a run folder of something else.
        ForageError: in place of an unexpected error, which is logged in the run folder.
    """
    experiment, folder = checked(target, out, overrides, *needs, grid=grid, stops=stops, reach=True)
    with at_work(folder, resolved(experiment)) as run:
        yield experiment, run


def checked(
    target: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    *needs: str,
    grid: tuple[str, ...] = (),
    stops: bool = False,
    reach: bool = False,
) -> tuple[Experiment, RunFolder]:
    """The experiment of CONFIG_OR_RUN, ready to begin, and its folder, which may not exist yet.

    reach: the Hub may be asked for decoding settings that are left open.

    Raises:
        UsageError: no such config, or one of no use here.
    """
    data, folder = find_run(target, out, overrides)
    if grid:
        if target.is_dir():
            raise UsageError(f"--grid goes with a config; {target} has its cells already: drop it")
        data = expand(data, grid)
    experiment = experiment_from(_with_room(data))
    for name in needs:
        experiment.section(name)
    if stops:
        experiment.section("analyze").need_stopping()
    if experiment.sample is not None:
        _check_strategies(experiment.sample)
        experiment = _closed(experiment, data, reach)
        _check_budget(experiment.section("sample"))
    return experiment, folder


def _with_room(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A thinking budget is held against max_new_tokens, which may be open still."""
    budget = (decoding_of(data) or {}).get("thinking_budget")
    return fill_open(data, {LENGTH: budget + 1}) if isinstance(budget, int) else data


def _closed(experiment: Experiment, data: Mapping[str, Any], reach: bool) -> Experiment:
    """With the decoding settings of the base model's makers where the data leaves them open, but
    for GRPO, whose loss is of the whole distribution."""
    sample, training = experiment.section("sample"), experiment.train
    base = experiment.analyze.base if experiment.analyze else _default_base(sample)
    if training and any(method.algorithm == "grpo" for method in training.methods.values()):
        data = fill_open(data, WHOLE)
    shipped = shipped_decoding(sample.models[base], decoding_of(data) or {}, reach=reach)
    return experiment_from(fill_open(data, shipped))
