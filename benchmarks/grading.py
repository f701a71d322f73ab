"""How fast programs are graded, and whether HumanEval's own solutions pass.

    python -m benchmarks.grading

Prints what share of the 164 canonical solutions, and of the same with their body cut in half, is
graded right, milliseconds a grade, and grades a second of one-line functions in 1 and 2 threads.
"""

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from sample.config import ProblemConfig
from sample.families import load_problems
from sample.families.python_functions import program, random_program
from sample.grading import grade
from sample.sandbox import require_sandbox

DATA = Path(__file__).parents[1] / "tests" / "data" / "HumanEval.jsonl.gz"
HUMANEVAL = ProblemConfig(
    str(DATA), source="file", options={"grader": "code", "layout": "humaneval"}
)
FUNCTIONS = ProblemConfig("compositions", source="python_functions", count=100)


def main() -> None:
    rows = [json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()]
    given = {p.metadata["given"]: p for p in load_problems("humaneval", HUMANEVAL)}
    problems = [given[row["prompt"]] for row in rows]
    bodies = [row["canonical_solution"].rstrip() for row in rows]
    require_sandbox()
    for name, texts in (
        ("canonical", bodies),
        ("half a body", [body[: len(body) // 2] for body in bodies]),
    ):
        start = time.perf_counter()
        right = sum(grade(*pair).correct for pair in zip(problems, texts, strict=True))
        each = (time.perf_counter() - start) / len(rows) * 1000
        print(f"HumanEval, {name}: {right} of {len(rows)} right, {each:.1f} ms a grade")
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
