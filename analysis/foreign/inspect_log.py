"""Logs of inspect_ai: ``.json``, or ``.eval`` (a zip of JSON files), format version 2.

Fields by its source, src/inspect_ai/log/_log.py at commit 499e615. A sample's epochs are
independent attempts. ``input_tokens`` there leaves cached tokens out; here they are counted in.
"""

import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from analysis.foreign.rows import Row, Tokens, answer_text, finish_name, grade
from sample.errors import UsageError

_NO_ANSWER = "N"
_ATTACHMENT = "attachment://"


def read_inspect(
    path: Path, scorer: str | None = None, threshold: float | None = None
) -> list[Row]:
    """Every sample of a log: family = task, system = model, problem = sample id.

    Raises:
        UsageError: no readable log, or several scorers and none named.
    """
    header, samples = _eval_zip(path) if zipfile.is_zipfile(path) else _json(path)
    spec = header.get("eval")
    if not isinstance(spec, Mapping) or not samples:
        raise UsageError(f"{path}: no inspect_ai log with samples (a header alone will not do)")
    family, system = str(spec.get("task", "data")), str(spec.get("model", "base"))
    name = _scorer(path, samples, scorer)
    ordered = sorted(samples, key=lambda s: (str(s.get("id")), s.get("epoch", 1)))
    return [
        _row(s, family, system, name, f"{path}, sample {s.get('id')}", threshold) for s in ordered
    ]


def _json(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path} as an inspect_ai log: {error}") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: not an inspect_ai log")
    return data, data.get("samples") or []


def _eval_zip(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Newer logs are compressed with zstd, which Python reads from 3.14 on, or with a package."""
    with suppress(ImportError):
        import zipfile_zstd  # noqa: F401  # pyright: ignore[reportMissingImports]
    try:
        with zipfile.ZipFile(path) as log:
            names = dict.fromkeys(log.namelist())
            header = json.loads(log.read("header.json")) if "header.json" in names else {}
            return header, [json.loads(log.read(name)) for name in names if _is_sample(name)]
    except NotImplementedError:
        raise UsageError(
            f"{path} is compressed with zstd: pip install 'forage-sampling[data]', or convert it "
            f"with: inspect log convert {path.name} --to json --output-dir ."
        ) from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"cannot read {path}: {error}") from None


def _is_sample(name: str) -> bool:
    """``samples/ID_epoch_E.json``, or the shell of a sample stored in chunks."""
    inside = name.removeprefix("samples/").split("/")
    whole = len(inside) == 1 and name.endswith(".json")
    return name.startswith("samples/") and (whole or inside[1:] == ["sample.json"])


def _scorer(path: Path, samples: list[dict[str, Any]], wanted: str | None) -> str | None:
    names = list(dict.fromkeys(n for s in samples for n in s.get("scores") or {}))
    if wanted is None and len(names) > 1:
        raise UsageError(f"{path} has several scorers; name one: --scorer {' | '.join(names)}")
    if wanted is not None and wanted not in names:
        raise UsageError(f"{path} has no scorer {wanted!r}; it has: {', '.join(names) or 'none'}")
    return wanted or (names[0] if names else None)


def _row(
    sample: Mapping[str, Any],
    family: str,
    system: str,
    scorer: str | None,
    where: str,
    threshold: float | None,
) -> Row:
    score = (sample.get("scores") or {}).get(scorer) or {}
    value, answer = score.get("value"), answer_text(score.get("answer"))
    if isinstance(value, list | Mapping):
        raise UsageError(f"{where}: scorer {scorer} gives several values; name another scorer")
    if value == "P" and threshold is not None:
        value = 0.5
    silent = value == _NO_ANSWER
    output = sample.get("output") or {}
    return Row(
        problem=str(sample.get("id")),
        correct=False if silent else grade(value, threshold, where),
        answer=None if silent else answer,
        canonical=None if silent else answer,
        family=family,
        system=system,
        finish=_finish(sample, output, where),
        text=_text(output, sample.get("attachments") or {}),
        failure=str(sample["error"].get("message", "")) if sample.get("error") else None,
        seconds=sample.get("working_time"),
        tokens=_tokens(sample, output),
    )


def _finish(sample: Mapping[str, Any], output: Mapping[str, Any], where: str) -> str:
    if sample.get("error"):
        return "error"
    if sample.get("limit"):
        return "length"
    reason = next((c.get("stop_reason") for c in output.get("choices") or []), None)
    # a refusal is an attempt like any other; so is an end that the provider does not explain
    return finish_name("stop" if reason in ("content_filter", "unknown") else reason, where)


def _text(output: Mapping[str, Any], attachments: Mapping[str, str]) -> str:
    choices = output.get("choices") or [{}]
    content = (choices[0].get("message") or {}).get("content") or ""
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content if isinstance(part, Mapping))
    if content.startswith(_ATTACHMENT):
        return attachments.get(content.removeprefix(_ATTACHMENT), content)
    return content


def _tokens(sample: Mapping[str, Any], output: Mapping[str, Any]) -> Tokens:
    """All calls of the sample together where the log has them, else the last one."""
    usages = list((sample.get("model_usage") or {}).values()) or [output.get("usage")]
    usages = [usage for usage in usages if usage]
    if not usages:
        return Tokens()
    cached = _sum(usages, "input_tokens_cache_read")
    written = _sum(usages, "input_tokens_cache_write")
    prompt = (_sum(usages, "input_tokens") or 0) + (cached or 0) + (written or 0)
    generated = _sum(usages, "output_tokens")
    return Tokens(prompt, cached, _sum(usages, "reasoning_tokens"), generated)


def _sum(usages: list[Mapping[str, Any]], key: str) -> float | None:
    given = [usage[key] for usage in usages if usage.get(key) is not None]
    return float(sum(given)) if given else None
