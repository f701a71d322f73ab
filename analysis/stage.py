"""The last stages of a run: its summary and its report, from the records alone."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.config import AnalysisConfig, RunInfo, SystemInfo
from analysis.embeddings import read_vectors
from analysis.summary import summarize
from analysis.terminal import print_summary
from analysis.watch import Watch
from sample.config import SampleConfig, plain_decoding
from sample.errors import UsageError
from sample.records import Attempt
from sample.runfolder import RunFolder, read_json, write_json


def write_summary(
    folder: RunFolder,
    attempts: Iterable[Attempt],
    config: AnalysisConfig,
    sample: SampleConfig | None,
    systems: Mapping[str, SystemInfo],
    run: RunInfo,
    *,
    watched: Mapping[str, Watch] | None = None,
    vectors: Path | None = None,
) -> None:
    """Write and print the summary.

    sample: None where only records are there. run: what is known of it beside sample. watched: the
    families of a run that a stopping rule ends. vectors: a .npy file with a row for the trace of
    each attempt.

    Raises:
        UsageError: no records, or settings that do not fit them.
    """
    found = None
    if vectors is not None:
        attempts = list(attempts)
        found = read_vectors(vectors, len(attempts))
    run = _sampled(run, sample) if sample else run
    summary = summarize(attempts, config, systems, run, watched=watched, vectors=found)
    made = summary["run"]["attempts"]
    summary["warnings"] += _missing_attempts(sum(run.asked.values()), made, bool(watched))
    write_json(folder.summary, summary)
    print_summary(summary)


def _sampled(run: RunInfo, sample: SampleConfig) -> RunInfo:
    """What is known of a run with what its section ``sample`` says."""
    return replace(
        run,
        steps=sample.attempts,
        decoding=plain_decoding(sample.decoding),
        budget=sample.budget,
        embedded=_is_embedded(sample),
        warnings=[*run.warnings, *_simulated(sample)],
    )


def _is_embedded(sample: SampleConfig) -> bool:
    models = sample.models.values()
    configs = [Path(model.weights) / "config.json" for model in models if model.weights]
    return any(read_json(path).get("forage_embedded", False) for path in configs if path.exists())


def _missing_attempts(asked: int, made: int, watched: bool) -> list[str]:
    verb = "forage run" + watched * " --until-decided"
    missing = f"{asked - made} of {asked} attempts are not made yet; {verb} goes on with them"
    return [missing] if made < asked else []


def _simulated(sample: SampleConfig) -> list[str]:
    return [
        f"{name} is simulated: its attempts are drawn by the scripted engine, by no model"
        for name, model in sample.models.items()
        if model.engine == "scripted"
    ]


def write_report(folder: RunFolder) -> Path:
    """Write report.html from summary.json, the training metrics and the probes; returns its path.

    Raises:
        UsageError: no summary, or one of another schema version.
    """
    from analysis.report import page

    if not folder.summary.exists():
        raise UsageError(f"{folder.path} has no summary.json; first: forage analyze {folder.path}")
    probes = read_json(folder.probes) if folder.probes.exists() else None
    return page.write_report(read_json(folder.summary), folder.path, _metrics(folder), probes)


def _metrics(folder: RunFolder) -> dict[str, list[dict[str, Any]]]:
    """Adapter -> one row per training step."""
    rows = {}
    for path in sorted(folder.path.glob("adapters/*/metrics.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        rows[path.parent.name] = [json.loads(line) for line in lines if line.endswith("\n")]
    return rows
