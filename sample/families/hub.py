"""Problems of the Hugging Face Hub: a benchmark by name, or any dataset by id or local folder."""

from collections.abc import Iterator
from pathlib import Path

from sample.benchmarks import BENCHMARKS
from sample.config import ProblemConfig, parse
from sample.errors import UsageError, one_line
from sample.families.file import read_rows
from sample.families.options import HubOptions
from sample.families.rows import Row, problems_of
from sample.problems import Problem


def generate(family: str, config: ProblemConfig) -> Iterator[Problem]:
    """Every problem of the dataset.

    Raises:
        UsageError: it cannot be loaded, or has unusable rows.
    """
    options = parse(HubOptions, config.options, f"problems.{family}.options")
    benchmark = BENCHMARKS.get(config.task)
    dataset = benchmark.dataset if benchmark else config.task
    try:
        import datasets  # noqa: F401
    except ImportError:
        raise UsageError(
            "source hub needs the package datasets: pip install 'forage-sampling[hub]'"
        ) from None
    rows = _file_rows if options.files else _table_rows
    return problems_of(family, rows(family, dataset, options), options, refuse_repeats=False)


def _table_rows(family: str, dataset: str, options: HubOptions) -> Iterator[Row]:
    from datasets import load_dataset

    try:
        table = load_dataset(
            dataset,
            options.config or None,
            split=options.split or None,
            revision=options.revision or None,
        )
    except Exception as error:
        raise _cannot_load(family, dataset, error) from None
    if isinstance(table, dict):
        raise UsageError(
            f"problems.{family}: {dataset} has the splits {', '.join(map(str, table))}; "
            "set options: {split: NAME}"
        )
    for number, row in enumerate(table, 1):
        yield f"{dataset}, row {number}", row  # type: ignore[misc]


def _file_rows(family: str, dataset: str, options: HubOptions) -> Iterator[Row]:
    for name in options.files:
        yield from read_rows(_fetch(family, dataset, name, options.revision), family)


def _fetch(family: str, dataset: str, name: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    if Path(dataset).is_dir():
        return Path(dataset) / name
    try:
        found = hf_hub_download(dataset, name, repo_type="dataset", revision=revision or None)
    except Exception as error:
        raise _cannot_load(family, f"{name} of {dataset}", error) from None
    return Path(found)


def _cannot_load(family: str, what: str, error: Exception) -> UsageError:
    reason = one_line(error, 200)
    return UsageError(
        f"problems.{family}: cannot load {what}: {type(error).__name__}: {reason}; "
        "check the name and the network, or read a copy with source: file"
    )
