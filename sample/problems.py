"""A problem: one question with its grader, known by the hash of its content."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sample.records import ANSWER, Graded

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Problem:
    """One question with its grader.

    family: the name the config gives to the problem set, e.g. "countdown".
    grader: which grader judges answers, a key of ``sample.grading.GRADERS``.
    answer: the gold answer, or one of them; empty if only a scorer or tests can tell.
    metadata: what the grader needs beside the gold answer (plain data, no objects).
    key: what two problems share when they are the same up to wording; the train/dev/test split
        hashes it, so a reordered copy of an evaluation problem cannot enter training.
    held_out: it belongs to an evaluation set, so that it is of the test split whatever its key.
    graded: what of an attempt, see ``ProblemConfig``.
    """

    family: str
    question: str
    answer: str
    grader: str
    key: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    held_out: bool = False
    graded: Graded = ANSWER

    @cached_property
    def id(self) -> str:
        """Content hash (16 hex digits): the same question is the same problem in every run."""
        content = json.dumps([self.grader, self.question, self.answer], ensure_ascii=False)
        return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()

    @cached_property
    def content(self) -> str:
        """The id, and if tests stand in place of a gold answer a hash of them (and of all that
        running them takes), so that changed tests do not go unnoticed."""
        if self.grader != "code" or self.answer:
            return self.id
        tests = json.dumps(self.metadata, sort_keys=True, default=str)
        return self.id + hashlib.blake2b(tests.encode(), digest_size=8).hexdigest()

    @cached_property
    def split(self) -> str:
        """ "train" (70 %), "dev" (10 %) or "test" (20 %), by the hash of ``key`` alone."""
        if self.held_out:
            return "test"
        bucket = hashlib.blake2b(self.key.encode(), digest_size=8).digest()[0] * 10 // 256
        return {0: "test", 1: "test", 2: "dev"}.get(bucket, "train")


def question_key(question: str) -> str:
    """The key of a problem that is text: equal for questions that differ in spacing and case."""
    return "text " + "".join(unicodedata.normalize("NFKC", question).casefold().split())
