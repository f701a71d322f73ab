"""Arithmetic expressions written by a model: parsed as data, never evaluated as code."""

import ast
import re

_ARITHMETIC = re.compile(r"[\d\s+\-*/()]{1,120}")


def parse_arithmetic(text: str) -> ast.expr | None:
    """The syntax tree of + - * / over whole numbers, or None if ``text`` is anything else."""
    if not _ARITHMETIC.fullmatch(text) or "**" in text or "//" in text:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return tree if _is_arithmetic(tree) else None


def _is_arithmetic(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_arithmetic(node.left) and _is_arithmetic(node.right)
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def numbers_in(node: ast.expr) -> list[int]:
    """Every number of the expression, sorted, repeats kept."""
    return sorted(
        n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, int)
    )


def canonical_form(node: ast.expr) -> str:
    """Equal for expressions that differ only in spacing, redundant brackets and the order of
    summands or factors: (3 + 5) * 2 and 2*(5+3) are one answer, 2*5 + 2*3 is another."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.BinOp)
    pair = (ast.Add, ast.Sub) if isinstance(node.op, ast.Add | ast.Sub) else (ast.Mult, ast.Div)
    terms = sorted(_terms(node, pair, False))
    signs = "+-" if pair[0] is ast.Add else "*/"
    return "(" + "".join(signs[inverse] + text for inverse, text in terms) + ")"


def _terms(node: ast.expr, pair: tuple[type, type], inverse: bool) -> list[tuple[bool, str]]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, pair):
        flipped = inverse ^ isinstance(node.op, pair[1])
        return _terms(node.left, pair, inverse) + _terms(node.right, pair, flipped)
    return [(inverse, canonical_form(node))]
