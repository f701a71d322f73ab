"""Arithmetic expressions written by a model: parsed as data, never evaluated as code."""

import ast
import operator
import re
from fractions import Fraction
from typing import cast

_ARITHMETIC = re.compile(r"[\d\s+\-*/()]{1,120}")
_OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LARGEST = 10**50
"""Of the numbers in a formula: more digits keep a symbolic scorer busy without end."""
_FUNCTIONS = {
    *("sin", "cos", "tan", "sec", "csc", "cot", "asin", "acos", "atan"),
    *("sinh", "cosh", "tanh", "exp", "log", "ln", "sqrt", "Abs"),
}


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


def exact_value(node: ast.expr) -> Fraction | None:
    """The value of a tree of ``parse_arithmetic``, None if it divides by zero."""
    if isinstance(node, ast.Constant):
        return Fraction(cast(int, node.value))
    assert isinstance(node, ast.BinOp)
    left, right = exact_value(node.left), exact_value(node.right)
    if left is None or right is None or (right == 0 and isinstance(node.op, ast.Div)):
        return None
    return _OPERATIONS[type(node.op)](left, right)


def is_formula(text: str) -> bool:
    """Whether ``text`` is an elementary formula in Python's notation, e.g. ``x**2*sin(3*x)``.

    Only such a text may reach sympy's ``parse_expr``, which evaluates what it is given as code.
    """
    if len(text) > 2000:
        return False
    try:
        return _is_formula(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False


def _is_formula(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=int() | float() as number):
            return abs(number) < _LARGEST
        case ast.Name():
            return True
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _is_formula(operand)
        case ast.BinOp(op=ast.Pow(), left=base, right=exponent):
            return _is_formula(base) and _is_formula(exponent) and _is_small(exponent)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), left=left, right=right):
            return _is_formula(left) and _is_formula(right)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            return all(map(_is_formula, args))
    return False


def _is_small(exponent: ast.expr) -> bool:
    """Towers of powers and powers of thousands are never computed to an end."""
    nodes = list(ast.walk(exponent))
    numbers = [n.value for n in nodes if isinstance(n, ast.Constant)]
    return not any(isinstance(n, ast.Pow) for n in nodes) and all(
        isinstance(number, int | float) and abs(number) <= 1000 for number in numbers
    )
