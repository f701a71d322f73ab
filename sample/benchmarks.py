"""Benchmarks of the Hugging Face Hub by name: where each lies, and how its questions are put.

Each is pinned to a commit, so that a result names the very questions it was measured on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BOXED = "{question}\n\nPut your final answer within \\boxed{}."
"""The usual instruction. The script of arXiv 2604.05868 for open models put the bare question
(``prompt: "{question}"``), the one for Gemini 2.5 Pro asked for the box."""

_CODE = "\n\nAnswer with the whole program in one Python code block; use the standard library only."
PROGRAM = "{question}" + _CODE
"""The sandbox that runs it has no other packages."""
FUNCTION = "Complete this function:\n\n{question}" + _CODE


@dataclass(frozen=True)
class Benchmark:
    """dataset: id on the Hub. options: those of the source "hub" that are not its defaults.

    size: its problems, by the dataset cards; of LiveCodeBench the 1,055 of release 6 less the 880
    of release 5.
    """

    dataset: str
    prompt: str
    size: int
    options: Mapping[str, Any] = field(default_factory=dict)


def _math(dataset: str, size: int, revision: str, split: str, **options: Any) -> Benchmark:
    columns = {"question": "problem", "answer": "answer"}
    options = {"revision": revision, "split": split, "columns": columns, **options}
    return Benchmark(dataset, BOXED, size, options)


def _code(
    dataset: str, size: int, prompt: str, layout: str, revision: str, **options: Any
) -> Benchmark:
    options = {"grader": "code", "layout": layout, "revision": revision, **options}
    return Benchmark(dataset, prompt, size, options)


BENCHMARKS: Mapping[str, Benchmark] = {
    "aime2024": _math(
        "HuggingFaceH4/aime_2024", 30, "2fe88a2f1091d5048c0f36abc874fb997b3dd99a", "train"
    ),
    "aime2025": _math(
        "yentinglin/aime_2025", 30, "6f71d77b0b89b9dabe07ab466c51df33f514df7f", "train"
    ),
    "math500": _math(
        "HuggingFaceH4/MATH-500", 500, "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", "test"
    ),
    "gsm8k": _math(
        "openai/gsm8k",
        1319,
        "740312add88f781978c0658806c59bc2815b9866",
        "test",
        config="main",
        columns={"question": "question", "answer": "answer"},
        answer_after="####",
    ),
    "humaneval": _code(
        "openai/openai_humaneval",
        164,
        FUNCTION,
        "humaneval",
        "7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    ),
    "mbpp": _code(
        "google-research-datasets/mbpp",
        257,
        PROGRAM,
        "mbpp",
        "4bb6404fdc6cacfda99d4ac4205087b89d32030c",
        config="sanitized",
    ),
    # test6.jsonl holds the 175 problems that release 6 added; the older ones are in test.jsonl and
    # test2.jsonl to test5.jsonl (4.3 GB): options: {files: [test5.jsonl, test6.jsonl]}.
    "livecodebench": _code(
        "livecodebench/code_generation_lite",
        175,
        PROGRAM,
        "livecodebench",
        "0fe84c3912ea0c4d4a78037083943e8f0c4dd505",
        files=("test6.jsonl",),
    ),
}
