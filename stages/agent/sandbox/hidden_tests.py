"""What the host does to hidden test files before a sandbox gets them."""

from __future__ import annotations

import ast
import functools


class _Comparisons(ast.NodeTransformer):
    """`a == b` as __same__(a, b), which notices an object that equals everything."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            return node
        call = ast.Call(ast.Name("__same__", ast.Load()), [node.left, node.comparators[0]], [])
        return call if isinstance(node.ops[0], ast.Eq) else ast.UnaryOp(ast.Not(), call)


@functools.lru_cache(maxsize=1024)
def guard_comparisons(text: str, path: str) -> str:
    """`text` with every == and != going through the guard; ValueError when it doesn't parse."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"The test file {path} doesn't parse: line {error.lineno}.") from error
    return ast.unparse(ast.fix_missing_locations(_Comparisons().visit(tree)))


@functools.lru_cache(maxsize=1024)
def imports_of(text: str) -> tuple[str, ...]:
    """Modules that a test file imports at any depth, for import before the tests arrive."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return tuple(sorted(found))
