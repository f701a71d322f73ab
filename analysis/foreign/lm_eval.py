"""``samples_TASK_DATE.jsonl`` of lm-evaluation-harness (``--log_samples``).

Fields by its source, lm_eval/evaluator.py and loggers/evaluation_tracker.py at commit 4e7e0d4. With
``repeats`` the harness grades one response per document and filter; the others are read as not
graded, never as wrong.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.foreign.columns import json_lines
from analysis.foreign.rows import Row, answer_text, grade
from sample.errors import UsageError

_FILE = re.compile(r"samples_(?P<task>.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?\.jsonl")
_INVALID = "[invalid]"  # what its regex filter says where nothing matches
_USUAL_METRICS = ("exact_match", "acc", "pass@1", "pass_at_1")


def is_lm_eval(first: Mapping[str, Any]) -> bool:
    """Whether the first line of a JSONL file is one of the harness."""
    return {"doc_id", "resps", "filtered_resps"} <= set(first)


def read_lm_eval(
    path: Path,
    metric: str | None = None,
    chosen: str | None = None,
    threshold: float | None = None,
) -> list[Row]:
    """Every document: family = task (of the file name), system = folder (the model), by doc_id.

    metric: which one grades; chosen: the filter whose answers count.

    Raises:
        UsageError: several filters or metrics and none named.
    """
    samples = list(json_lines(path))
    chosen = _choose(path, "filter", list(dict.fromkeys(s.get("filter") for s in samples)), chosen)
    samples = [sample for sample in samples if sample.get("filter") == chosen]
    metric = _metric(path, samples, metric)
    match = _FILE.fullmatch(path.name)
    family = match["task"] if match else path.stem
    system = path.resolve().parent.name or "base"
    return [
        row
        for sample in samples
        for row in _rows(
            sample, family, system, metric, f"{path}, doc {sample['doc_id']}", threshold
        )
    ]


def _choose(path: Path, what: str, names: list[Any], wanted: str | None) -> Any:
    if wanted is None and len(names) > 1:
        options = " | ".join(map(str, names))
        raise UsageError(f"{path} has several {what}s; name one: --{what} {options}")
    if wanted is not None and wanted not in names:
        raise UsageError(f"{path} has no {what} {wanted!r}; it has: {', '.join(map(str, names))}")
    return names[0] if wanted is None else wanted


def _metric(path: Path, samples: list[dict[str, Any]], wanted: str | None) -> str:
    names = list(dict.fromkeys(name for s in samples for name in _metrics(s)))
    usual = [name for name in _USUAL_METRICS if name in names]
    if not names:
        raise UsageError(f"{path}: no metric in its lines; log samples with a scored task")
    return _choose(path, "metric", names, wanted or (usual[0] if usual else None))


def _metrics(sample: Mapping[str, Any]) -> list[str]:
    """Older logs have no list of their metrics: what is a number and no id."""
    if "metrics" in sample:
        return list(sample["metrics"])
    return [k for k, v in sample.items() if isinstance(v, int | float) and k != "doc_id"]


def _rows(
    sample: Mapping[str, Any],
    family: str,
    system: str,
    metric: str,
    where: str,
    threshold: float | None,
) -> list[Row]:
    problem = str(sample["doc_id"])
    texts = _texts(sample.get("resps"))
    answers: list[Any] = sample.get("filtered_resps") or [None]
    answer = answers[0][0] if isinstance(answers[0], list) and answers[0] else answers[0]
    answer = answer if isinstance(answer, str) and texts and answer != _INVALID else None
    graded = Row(
        problem,
        grade(sample.get(metric), threshold, where),
        answer_text(answer),
        answer_text(answer),
        family,
        system=system,
        text=texts[0] if texts else "",
    )
    others = [Row(problem, None, family=family, system=system, text=text) for text in texts[1:]]
    return [graded, *others]


def _texts(responses: Any) -> list[str]:
    """The generated repeats of the one request; a multiple-choice document has none."""
    if not isinstance(responses, list) or len(responses) != 1 or not isinstance(responses[0], list):
        return []
    return [text for text in responses[0] if isinstance(text, str)]
