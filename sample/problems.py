"""A problem: one question with its grader, known by the hash of its content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Problem:
    """One question with its grader.

    family: the name the config gives to the problem set, e.g. "countdown".
    grader: which grader judges answers, e.g. "reasoning_gym".
    answer: the gold answer, or one of them.
    metadata: what the grader needs beside the gold answer (JSON values only).
    key: what two problems share when they are the same up to wording; the train/dev/test split
        hashes it, so a reordered copy of an evaluation problem cannot enter training.
    """

    family: str
    question: str
    answer: str
    grader: str
    key: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Content hash (16 hex digits): the same question is the same problem in every run."""
        content = json.dumps([self.grader, self.question, self.answer], ensure_ascii=False)
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    @cached_property
    def split(self) -> str:
        """ "train" (70 %), "dev" (10 %) or "test" (20 %), by the hash of ``key`` alone."""
        bucket = hashlib.blake2b(self.key.encode(), digest_size=8).digest()[0] * 10 // 256
        return {0: "test", 1: "test", 2: "dev"}.get(bucket, "train")
