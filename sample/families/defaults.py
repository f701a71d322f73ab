"""What a problem config leaves out, filled in by its source."""

from typing import Any

from sample.benchmarks import BENCHMARKS, BOXED, PROGRAM, Benchmark
from sample.config import GENERATED, ProblemConfig, need, parse, plain, refuse_unknown_keys
from sample.families import code_rows, python_functions, rows
from sample.families.options import HubOptions, RowOptions

PROMPTS = {"math": BOXED, "code": PROGRAM}
"""Grader of rows that are read -> the prompt that asks for what it judges."""

KINDS = {"python_functions": python_functions.Options, "file": RowOptions, "hub": HubOptions}
"""Source -> its options; those of reasoning_gym differ from task to task."""


def options_of(config: ProblemConfig) -> dict[str, Any]:
    """The options of a problem set, every default written out where the source has its own.

    Raises:
        UsageError: an unknown option, a wrong type, or a benchmark that would be trained on.
    """
    kind, benchmark = KINDS.get(config.source), _benchmark(config)
    if kind is None:
        return dict(config.options)
    where = f"problems: {config.task}: options"
    given = {**(benchmark.options if benchmark else {}), **config.options}
    options = parse(kind, given, where)
    if isinstance(options, RowOptions):
        usable = options.layout == "plain" or options.grader == "code"
        need(usable, f"{where}.grader", f"code for the layout {options.layout}", options.grader)
        marked = options.grader == "math" or not options.answer_after
        need(marked, f"{where}.answer_after", "none for the grader code", options.answer_after)
        columns = rows.COLUMNS if options.grader == "math" else code_rows.COLUMNS[options.layout]
        refuse_unknown_keys(options.columns, columns, f"{where}.columns")
        kept = options.held_out or benchmark is None
        need(kept, f"{where}.held_out", "true for a benchmark", options.held_out)
    return plain(options)


def prompt_of(config: ProblemConfig) -> str:
    """The prompt of a problem set that names none."""
    if config.source in GENERATED:
        return "{question}"
    benchmark = _benchmark(config)
    return benchmark.prompt if benchmark else PROMPTS[config.options["grader"]]


def size_of(config: ProblemConfig) -> int | None:
    """How many problems the set has, as far as the config and the known benchmarks tell."""
    benchmark = _benchmark(config)
    if config.count is not None or benchmark is None:
        return config.count
    whole = options_of(ProblemConfig(config.task, "hub"))
    same = all(config.options[key] == whole[key] for key in ("config", "split", "files"))
    return benchmark.size if same else None


def _benchmark(config: ProblemConfig) -> Benchmark | None:
    return BENCHMARKS.get(config.task) if config.source == "hub" else None
