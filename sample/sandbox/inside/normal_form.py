"""When two programs are the same program: up to layout, comments, annotations and local names.

Equal normal forms mean equal behaviour, so the same grade on any tests, but for programs that bind
an imported or defined name twice while they are loaded; the reverse does not hold.
"""

import ast
import builtins
import hashlib
from collections.abc import Iterator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BY_NAME = {"locals", "globals", "vars", "dir", "eval", "exec"}


def as_function(source: str, entry: str | None) -> str:
    """A lone ``lambda`` as the definition of the entry point; any other program as it is."""
    try:
        node = ast.parse(source.strip(), mode="eval").body
    except SyntaxError:
        return source
    if entry is None or not isinstance(node, ast.Lambda):
        return source
    return f"def {entry}({ast.unparse(node.args)}):\n    return {ast.unparse(node.body)}\n"


def normal_form(source: str, entry: str | None) -> str | None:
    """16 hex digits, or None if the program does not define its entry point.

    Raises:
        SyntaxError: not Python.
    """
    tree = ast.parse(source)
    if entry is not None and entry not in _defined(tree):
        return None
    tree.body = list(_without_repeats(tree.body))
    names = {name: f"<{i}>" for i, name in enumerate(_local_names(tree, entry))}
    text = ast.dump(_Plain(names).visit(tree))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name


def _without_repeats(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Leave out what an answer writes again of the question: imports, helpers and the stub."""
    last = {node.name: node for node in body if isinstance(node, _FUNCTIONS)}
    seen: set[str] = set()
    for node in body:
        text = ast.dump(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            if text in seen:
                continue
            seen.add(text)
        elif isinstance(node, _FUNCTIONS) and node is not last[node.name]:
            stub = not _without_docstring(node.body)
            if stub or text == ast.dump(last[node.name]):
                continue
        yield node


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:]
    return body


def _local_names(tree: ast.Module, entry: str | None) -> list[str]:
    """Parameters and variables, by first appearance: the names that can be renamed together.

    Kept: what is imported, defined or global, built in, or used as a keyword or an attribute; and
    all names where the program can look at them.
    """
    bound: dict[str, None] = {}
    kept = {entry, *dir(builtins)}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            bound[node.arg] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound[node.id] = None
        elif isinstance(node, ast.Name) and node.id in _BY_NAME:
            return []
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            kept.add(node.name)
        elif isinstance(node, ast.alias):
            kept.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Global | ast.Nonlocal):
            kept.update(node.names)
        elif isinstance(node, ast.Attribute):
            kept.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            kept.add(node.arg)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            kept.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            kept.add(node.rest)
    return [name for name in bound if name not in kept]


class _Plain(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg, node.annotation = self.names.get(node.arg, node.arg), None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = _without_docstring(node.body) or [ast.Pass()]
        node.returns = None
        return self.generic_visit(node)
