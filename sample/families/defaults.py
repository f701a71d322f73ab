"""What a problem config leaves out, filled in by its source."""

from typing import Any

from sample.benchmarks import BENCHMARKS, BOXED, PROGRAM
from sample.config import GENERATED, ProblemConfig, need, parse, plain
from sample.families.options import LAYOUTS, FileOptions, HubOptions

GRADERS = {"math": BOXED, "code": PROGRAM}
"""Graders of rows that are read, with the prompt that asks for what they judge."""


def options_of(config: ProblemConfig) -> dict[str, Any]:
    """The options of a problem set with every default written out.

    Raises:
        UsageError: an unknown option, a wrong type, or a benchmark that would be trained on.
    """
    if config.source in GENERATED:
        return dict(config.options)
    kind = FileOptions if config.source == "file" else HubOptions
    where = f"problems: {config.task}: options"
    options = parse(kind, {**_benchmark_options(config), **config.options}, where)
    grader, layout = options.grader, options.layout
    need(grader in GRADERS, f"{where}.grader", f"one of {', '.join(GRADERS)}", grader)
    need(layout in LAYOUTS, f"{where}.layout", f"one of {', '.join(LAYOUTS)}", layout)
    usable = layout == "plain" or grader == "code"
    need(usable, f"{where}.grader", f"code for the layout {layout}", grader)
    kept = options.held_out or not _benchmark_options(config)
    need(kept, f"{where}.held_out", "true for a benchmark", options.held_out)
    return plain(options)


def _benchmark_options(config: ProblemConfig) -> dict[str, Any]:
    benchmark = BENCHMARKS.get(config.task) if config.source == "hub" else None
    return dict(benchmark.options) if benchmark else {}


def prompt_of(config: ProblemConfig) -> str:
    """The prompt of a problem set that names none."""
    if config.source in GENERATED:
        return "{question}"
    if config.source == "hub" and config.task in BENCHMARKS:
        return BENCHMARKS[config.task].prompt
    return GRADERS[config.options["grader"]]
