"""Mathematical answers, judged by the library math-verify.

The answer is the last ``\\boxed{...}``, else what math-verify finds: what follows "the answer is",
else the last expression. Two answers are the same if they are equal as mathematics: 1/2, 0.5 and
``\\frac{1}{2}``. Words (three letters or more) are no products of their letters: they are compared
as text, so that "even" is not "neve". Every right answer has the canonical form of the gold answer.
"""

import logging
import re
from functools import lru_cache
from typing import Any

from sample.graders.base import NO_ANSWER, Grade
from sample.graders.guard import guarded
from sample.problems import Problem

DIGITS = 12
"""Significant digits by which irrational constants are told apart."""

_WORD = re.compile(r"\\text\{\s*([A-Za-z]{2,})\s*\}|([A-Za-z]{3,})")
"""Two bare letters are rather a product, whose order does not matter."""


def grade(problem: Problem, text: str) -> Grade:
    """Grade against ``problem.answer``, a number or LaTeX without dollar signs.

    Raises:
        GradingError: the answer cannot be judged within the limits of ``sample.graders.guard``.
    """
    answer = last_boxed(text)
    shown = text if answer is None else _boxed(answer)
    return guarded(_judge, problem.answer, shown) if shown.strip() else NO_ANSWER


def last_boxed(text: str) -> str | None:
    """The content of the last complete ``\\boxed{...}``, None if there is none."""
    for start in reversed([match.end() for match in re.finditer(r"\\(?:boxed|fbox)\s*\{", text)]):
        depth = 1
        for match in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
            depth += {"{": 1, "}": -1}.get(match.group(), 0)
            if depth == 0:
                return text[start : start + match.start()]
    return None


def _boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def _judge(gold: str, text: str) -> Grade:
    from math_verify import verify

    found = _parse(text)
    if not found:
        return NO_ANSWER
    answer, values, form = str(found[-1]), *_gold(gold)
    word, wanted = _word(answer), _word(str(values[-1]))
    if word and wanted:
        correct = word == wanted
    else:
        correct = verify(values, found, timeout_seconds=None, raise_on_error=True)
    return Grade(answer, form if correct else _form(found), correct)


@lru_cache(maxsize=4096)
def _gold(answer: str) -> tuple[list[Any], str]:
    """What math-verify reads, and the canonical form."""
    found = _parse(_boxed(answer))
    if not found:
        raise ValueError(f"the gold answer {answer!r} is no mathematics that math-verify can read")
    return found, _form(found)


def _form(found: list[Any]) -> str:
    return _word(str(found[-1])) or canonical(found[0])


def _word(text: str) -> str | None:
    found = _WORD.fullmatch(text.strip())
    return (found[1] or found[2]).casefold() if found else None


def _parse(text: str) -> list[Any]:
    """The value and the text it was read from (the text alone if it could not be read), or []."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    # It warns at every start that its own time limit is off; the guard has one.
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    targets = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())
    return parse(text, targets, parsing_timeout=0, raise_on_error=True)


def canonical(value: Any) -> str:
    """Equal for values that are equal as mathematics.

    value: a sympy object, or a text that could not be read as one. "x = 5" is 5, and 50% is 50,
    as math-verify takes them.
    """
    import sympy

    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, sympy.Eq) and isinstance(value.lhs, sympy.Symbol):
        return canonical(value.rhs)
    if isinstance(value, sympy.FiniteSet):
        return "{" + ", ".join(sorted(map(canonical, value.args))) + "}"
    if isinstance(value, sympy.Tuple):
        return "(" + ", ".join(map(canonical, value.args)) + ")"
    if isinstance(value, sympy.Interval):
        ends = f"{canonical(value.start)}, {canonical(value.end)}"
        return ("(" if value.left_open else "[") + ends + (")" if value.right_open else "]")
    if isinstance(value, sympy.MatrixBase):
        return str([[canonical(entry) for entry in row] for row in value.tolist()])
    return _canonical_expression(value) if isinstance(value, sympy.Expr) else str(value)


def _canonical_expression(value: Any) -> str:
    import sympy
    from math_verify.grader import get_pct_val

    value = sympy.nsimplify(get_pct_val(value, value).doit(), rational=True)
    if value.is_Rational:
        return str(value)
    if not value.free_symbols:
        return str(value.evalf(DIGITS))
    return str(sympy.expand(sympy.simplify(value)))
