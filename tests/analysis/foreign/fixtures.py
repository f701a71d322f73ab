"""Small files in the formats of other tools, written out from their documented fields."""

import json
import zipfile
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def write_lines(path: Path, rows: list[Json]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# --- inspect_ai


def inspect_sample(problem: int, epoch: int, value: Any, answer: str | None, **changes) -> Json:
    usage = {
        "input_tokens": 40,
        "output_tokens": 120,
        "total_tokens": 176,
        "input_tokens_cache_read": 16,
        "reasoning_tokens": 100,
    }
    message = {
        "id": "m1",
        "role": "assistant",
        "content": f"ANSWER: {answer}",
        "source": "generate",
    }
    sample = {
        "id": problem,
        "epoch": epoch,
        "input": "What is 6 * 7?",
        "target": "42",
        "messages": [{"role": "user", "content": "What is 6 * 7?"}, message],
        "output": {
            "model": "llama3.1",
            "choices": [{"message": message, "stop_reason": "stop"}],
            "usage": usage,
        },
        "scores": {"match": {"value": value, "answer": answer}},
        "metadata": {},
        "model_usage": {"ollama/llama3.1": usage},
        "working_time": 1.5,
    }
    return {**sample, **changes}


def inspect_header() -> Json:
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "run_id": "Bpi",
            "created": "2026-10-15T12:53:13-04:00",
            "task": "aime2024",
            "task_id": "9eT",
            "dataset": {"name": "aime", "samples": 2},
            "model": "ollama/llama3.1",
            "config": {"epochs": 2},
        },
        "plan": {"name": "plan", "steps": []},
    }


def write_inspect(path: Path, samples: list[Json]) -> Path:
    path.write_text(json.dumps({**inspect_header(), "samples": samples}))
    return path


def write_eval(path: Path, samples: list[Json], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """The zip: a header, a summary, and a file per sample, the last one stored as a shell."""
    with zipfile.ZipFile(path, "w", compression) as log:
        log.writestr("_journal/start.json", "{}")
        for i, sample in enumerate(samples):
            stem = f"samples/{sample['id']}_epoch_{sample['epoch']}"
            name = f"{stem}/sample.json" if i == len(samples) - 1 else f"{stem}.json"
            log.writestr(name, json.dumps(sample))
        log.writestr("summaries.json", "[]")
        log.writestr("header.json", json.dumps(inspect_header()))
    return path


# --- lm-evaluation-harness


def lm_eval_sample(doc: int, texts: list[str], answer: str, score: float, **changes) -> Json:
    sample = {
        "doc_id": doc,
        "doc": {"question": "What is 6 * 7?", "answer": "#### 42"},
        "target": "42",
        "arguments": {"gen_args_0": {"arg_0": "Question: ...", "arg_1": {"until": ["Q:"]}}},
        "resps": [texts],
        "filtered_resps": [answer],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": f"{doc:064x}",
        "prompt_hash": "0" * 64,
        "target_hash": "1" * 64,
        "exact_match": score,
    }
    return {**sample, **changes}


# --- verifiers


def rollout(example: int, reward: float, text: str, **changes) -> Json:
    row = {
        "example_id": example,
        "prompt": [{"role": "user", "content": "What is 6 * 7?"}],
        "completion": [{"role": "assistant", "content": text}],
        "answer": "42",
        "reward": reward,
        "timing": {"start_time": 1.0},
        "is_completed": True,
        "is_truncated": False,
        "stop_condition": "max_turns_reached",
        "metrics": {"correct_answer": reward},
        "token_usage": {"input_tokens": 30.0, "output_tokens": 90.0},
    }
    return {**row, **changes}


def write_results(folder: Path, rows: list[Json], **metadata) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    data = {"env_id": "gsm8k", "model": "qwen3-1.7b", "rollouts_per_example": 2, **metadata}
    (folder / "metadata.json").write_text(json.dumps(data))
    return write_lines(folder / "results.jsonl", rows)


def episode(key: str, score: float | None, **trace) -> Json:
    """An episode of verifiers v1 with one trace; its ``exclude_none`` leaves nulls out."""
    call = {
        "node": 1,
        "model": "qwen3-4b",
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 50,
            "cached_input_tokens": 5,
            "reasoning_tokens": 30,
        },
    }
    made = {
        "version": 1,
        "id": "t" + key,
        "task": {"type": "Math", "data": {"question": "6 * 7"}, "key": key},
        "agent": {"config": {}, "name": "agent"},
        "nodes": [
            {"message": {"role": "user", "content": "6 * 7"}},
            {"parent": 0, "message": {"role": "assistant", "content": "42"}, "sampled": True},
        ],
        "calls": [call],
        "rewards": {} if score is None else {"correct": {"score": score, "weight": 1.0}},
        "ok": True,
        "is_completed": True,
    }
    return {
        "id": "e" + key,
        "env": {"id": "gsm8k-v1"},
        "task": made["task"],
        "ok": True,
        "traces": [{**made, **trace}],
    }
