"""Rollouts of verifiers: ``results.jsonl`` with ``metadata.json``, and ``traces.jsonl`` of v1.

Fields by its source, verifiers/legacy/utils/save_utils.py, verifiers/v1/trace.py and episode.py at
commit a60a606. Rollouts of one example are independent attempts.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.foreign.columns import json_lines
from analysis.foreign.rows import Row, Tokens, grade
from sample.errors import UsageError

_CUT_OFF = {
    "max_turns",
    "max_input_tokens",
    "max_output_tokens",
    "max_total_tokens",
    "context_length",
}


def is_results(first: Mapping[str, Any]) -> bool:
    """Whether the first line of a JSONL file is a rollout of ``results.jsonl``."""
    return {"example_id", "reward", "completion"} <= set(first)


def is_traces(first: Mapping[str, Any]) -> bool:
    """Whether the first line of a JSONL file is an episode of ``traces.jsonl``."""
    return {"traces", "task"} <= set(first)


def read_results(path: Path, threshold: float | None = None) -> list[Row]:
    """Every rollout: family = environment, system = model, of the metadata beside the file.

    A reward counts as correct from ``threshold`` on, else from the run's own ``pass_threshold``.
    """
    metadata = _metadata(path.with_name("metadata.json"))
    family, system = str(metadata.get("env_id", "data")), str(metadata.get("model", "base"))
    if threshold is None:
        threshold = metadata.get("pass_threshold")
    return [
        _result(row, family, system, threshold, f"{path}, rollout {i}")
        for i, row in enumerate(json_lines(path), 1)
    ]


def _metadata(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return {}
    except ValueError:
        raise UsageError(f"{path} is not valid JSON; delete it or mend it") from None
    return data if isinstance(data, Mapping) else {}


def _result(
    row: Mapping[str, Any], family: str, system: str, threshold: float | None, where: str
) -> Row:
    usage, error = row.get("token_usage") or {}, row.get("error")
    failed = error is not None
    return Row(
        problem=str(row.get("example_id")),
        correct=None if failed else grade(row.get("reward"), threshold, where),
        family=family,
        system=system,
        finish="error" if failed else "length" if row.get("is_truncated") else "stop",
        text=_last_reply(row.get("completion")),
        failure=_message(error) if failed else None,
        tokens=Tokens(usage.get("input_tokens"), generated=usage.get("output_tokens")),
    )


def _message(error: Any) -> str:
    return str(error.get("message", "")) if isinstance(error, Mapping) else str(error)


def _last_reply(completion: Any) -> str:
    """The last message of the model; a completion may also be plain text."""
    if isinstance(completion, str):
        return completion
    replies = [
        m for m in completion or [] if isinstance(m, Mapping) and m.get("role") == "assistant"
    ]
    return str(replies[-1].get("content") or "") if replies else ""


def read_traces(path: Path, threshold: float | None = None) -> list[Row]:
    """The scored trace of every episode: family = env, problem = task key, system = model.

    Raises:
        UsageError: an episode with several scored agents.
    """
    return [
        _episode(episode, threshold, f"{path}, episode {i}")
        for i, episode in enumerate(json_lines(path), 1)
    ]


def _episode(episode: Mapping[str, Any], threshold: float | None, where: str) -> Row:
    task = episode.get("task") or {}
    problem = str(
        task.get("key") or task.get("hash") or json.dumps(task.get("data"), sort_keys=True)
    )
    family = str((episode.get("env") or {}).get("id") or "data")
    traces = episode.get("traces") or []
    scored = [trace for trace in traces if trace.get("rewards")]
    if len(scored) > 1:
        raise UsageError(f"{where}: {len(scored)} scored agents; export one agent's traces")
    trace = (scored or traces or [None])[0]
    if trace is None:
        return Row(problem, None, family=family, finish="error", failure=_errors(episode))
    calls = trace.get("calls") or []
    failed = not trace.get("ok", True)
    return Row(
        problem=problem,
        correct=None if failed else grade(_reward(trace), threshold, where),
        family=family,
        system=next((str(call["model"]) for call in calls if call.get("model")), "base"),
        finish="error" if failed else "length" if _is_cut(trace, calls) else "stop",
        text=_last_sampled(trace),
        failure=_errors(trace) if failed else None,
        tokens=_usage(calls),
    )


def _errors(holder: Mapping[str, Any]) -> str:
    errors = holder.get("errors") or [{}]
    return str(errors[-1].get("message", ""))


def _reward(trace: Mapping[str, Any]) -> float | None:
    """Sum of score x weight; nothing where any of them was not scored."""
    rewards = list((trace.get("rewards") or {}).values())
    if not rewards or any(reward is None for reward in rewards):
        return None
    return sum(reward["score"] * reward.get("weight", 1.0) for reward in rewards)


def _is_cut(trace: Mapping[str, Any], calls: list[Mapping[str, Any]]) -> bool:
    last = calls[-1].get("finish_reason") if calls else None
    return trace.get("stop_condition") in _CUT_OFF or last == "length"


def _last_sampled(trace: Mapping[str, Any]) -> str:
    nodes = [node for node in trace.get("nodes") or [] if node.get("sampled")]
    return str((nodes[-1].get("message") or {}).get("content") or "") if nodes else ""


def _usage(calls: list[Mapping[str, Any]]) -> Tokens:
    """``prompt_tokens`` there leaves cached tokens out; reasoning is part of the completion."""
    usages = [call["usage"] for call in calls if call.get("usage")]
    if not usages:
        return Tokens()

    def total(key: str) -> float | None:
        given = [usage[key] for usage in usages if usage.get(key) is not None]
        return float(sum(given)) if given else None

    cached = total("cached_input_tokens")
    prompt = (total("prompt_tokens") or 0) + (cached or 0)
    return Tokens(prompt, cached, total("reasoning_tokens"), total("completion_tokens"))
