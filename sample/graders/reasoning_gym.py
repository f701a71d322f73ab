"""Answers to reasoning-gym tasks, judged by the library's own scorer of the task.

Full marks alone are correct; partial credit is not. The answer is what stands in the last
``<answer>`` tags, reasoning-gym's own convention, else the whole text.
"""

import json
from functools import lru_cache
from typing import Any

from sample.expressions import canonical_form, is_formula, numbers_in, parse_arithmetic
from sample.graders.base import NO_ANSWER, Grade, GradingError
from sample.graders.guard import guarded
from sample.graders.reasoning_gym_judges import JUDGES
from sample.graders.values import canonical_number, canonical_text
from sample.problems import Problem

ARITHMETIC = ("countdown", "puzzle24")
"""Answers are formulas over the numbers of the question."""
NUMERIC = (
    *("chain_sum", "decimal_arithmetic", "decimal_chain_sum", "gsm_symbolic"),
    *("number_format", "power_function", "products", "rectangle_count"),
)
"""Answers are compared by value; elsewhere 010 and 10 may be different answers."""
FORMULAS = ("intermediate_integration", "polynomial_multiplication", "simple_integration")
"""Their scorers evaluate the answer as Python code."""
BOUNDED = ("chain_sum",)
"""Answers are small before the scorer sees them, so it runs here: it is called at every RL step."""

_MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def grade(problem: Problem, text: str) -> Grade:
    """Grade against the scorer that ``problem.metadata["task"]`` names.

    Raises:
        GradingError: the scorer failed for another reason than a malformed answer.
    """
    answer = _final_answer(text)
    if not answer:
        return NO_ANSWER
    canonical = canonical_answer(problem, answer)
    if canonical is None:
        return Grade(answer, None, False)
    correct = _is_correct(problem, answer, canonical)
    return Grade(answer, canonical if correct is not None else None, bool(correct))


def waits(problem: Problem) -> bool:
    """Whether the scorer runs in the guard's process."""
    return problem.metadata["task"] not in (*BOUNDED, *JUDGES)


def _final_answer(text: str) -> str:
    if "<answer>" not in text:
        return text.strip()
    from reasoning_gym.utils import extract_answer

    return extract_answer(text) or ""


def canonical_answer(problem: Problem, answer: str) -> str | None:
    """The equivalence class of an answer, or None if it has not the form the task asks for."""
    task = problem.metadata["task"]
    if task in ARITHMETIC:
        tree = parse_arithmetic(answer)
        if tree is None or numbers_in(tree) != sorted(problem.metadata["entry"]["numbers"]):
            return None
        return canonical_form(tree)
    if task in NUMERIC:
        return canonical_number(answer)
    if task in FORMULAS and not is_formula(answer):
        return None
    return canonical_text(answer)


def _is_correct(problem: Problem, answer: str, canonical: str) -> bool | None:
    """None if the scorer finds the answer malformed."""
    task, entry = problem.metadata["task"], problem.metadata["entry"]
    if task in JUDGES:
        return JUDGES[task](answer, problem.answer, entry)
    if problem.answer and canonical == canonical_answer(problem, problem.answer):
        return True
    scoring = (task, dict(problem.metadata.get("options", {})), problem.answer, dict(entry), answer)
    score = _score(*scoring) if task in BOUNDED else guarded(_score, *scoring)
    return None if score is None else score >= 1.0


def _score(
    task: str, options: dict[str, Any], gold: str, entry: dict[str, Any], answer: str
) -> float | None:
    scorer, full = _scorer(task, json.dumps(options)), {"answer": gold, "metadata": entry}
    try:
        return float(scorer.score_answer(answer, full))
    except _MALFORMED as error:
        # Scorers stumble over malformed answers; one that stumbles over the gold answer is broken.
        if gold and scorer.score_answer(gold, full) < 1.0:
            raise GradingError(f"the scorer of {task} refuses its own gold answer") from error
        return None


@lru_cache
def _scorer(task: str, options: str) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(task, seed=0, size=1, **json.loads(options))
