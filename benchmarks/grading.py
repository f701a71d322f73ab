"""How fast answers are graded, and whether the benchmarks' own answers are right.

    python -m benchmarks.grading

Prints how many are graded right, and milliseconds a grade: the 1,319 gold answers of GSM8K, the
next problem's where it is another, the 164 canonical solutions of HumanEval, and the same with
their body cut in half. Then grades a second of one-line functions in 1 and 2 threads.
"""

import gzip
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from sample.config import ProblemConfig
from sample.families import load_problems
from sample.families.python_functions import program, random_program
from sample.grading import grade
from sample.problems import Problem
from sample.sandbox import require_sandbox

DATA = Path(__file__).parents[1] / "tests" / "data"
HUMANEVAL = ProblemConfig(
    str(DATA / "HumanEval.jsonl.gz"), "file", {"grader": "code", "layout": "humaneval"}
)
GSM8K = ProblemConfig(str(DATA / "gsm8k_test.jsonl.gz"), "file", {"answer_after": "####"})
FUNCTIONS = ProblemConfig("compositions", source="python_functions", count=100)


def show(name: str, problems: Sequence[Problem], texts: Sequence[str]) -> None:
    """Grade each text and print how many were right, and the time."""
    start = time.perf_counter()
    right = sum(grade(*pair).correct for pair in zip(problems, texts, strict=True))
    each = (time.perf_counter() - start) / len(texts) * 1000
    print(f"{name}: {right} of {len(texts)} right, {each:.1f} ms a grade")


def show_gsm8k() -> None:
    problems = load_problems("gsm8k", GSM8K)
    golds = [problem.answer for problem in problems]
    show("GSM8K, gold answers", problems, [f"Thus the answer is ${gold}." for gold in golds])
    pairs = [(p, gold) for p, gold in zip(problems, golds[1:], strict=False) if p.answer != gold]
    asked, other = zip(*pairs, strict=True)
    texts = [f"\\boxed{{{gold}}}" for gold in other]
    show("GSM8K, the answer of the next problem", asked, texts)


def show_humaneval() -> None:
    rows = [json.loads(x) for x in gzip.decompress(Path(HUMANEVAL.task).read_bytes()).splitlines()]
    given = {p.metadata["given"]: p for p in load_problems("humaneval", HUMANEVAL)}
    problems = [given[row["prompt"]] for row in rows]
    bodies = [row["canonical_solution"].rstrip() for row in rows]
    show("HumanEval, canonical", problems, bodies)
    show("HumanEval, half a body", problems, [body[: len(body) // 2] for body in bodies])


def main() -> None:
    show_gsm8k()
    require_sandbox()
    show_humaneval()
    rng = Random(0)
    work = [(p, program(random_program(p, rng))) for p in load_problems("f", FUNCTIONS)] * 3
    for threads in (1, 2):
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: require_sandbox(), range(threads * 4)))
            start = time.perf_counter()
            list(pool.map(lambda pair: grade(*pair), work))
            rate = len(work) / (time.perf_counter() - start)
        print(f"one-line functions, {threads} thread(s): {rate:.0f} grades a second")


if __name__ == "__main__":
    main()
