"""How different the solutions are that a loop trains on: distinct programs and edit distance.

seeds/001 explains its collapse by 'the model sees the same patterns repeatedly' and measured
nothing of it.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from rapidfuzz.distance import Levenshtein

from stages.stats.clusters import clustered_proportion
from stages.stats.intervals import Estimate, Undefined

MAX_PROGRAMS = 64
"""Programs of one problem whose pairs are compared; the first ones, in the order given."""


def normalised_program(text: str) -> str:
    """``text`` as Python without comments, docstrings, layout and chosen names.

    Functions, arguments and local variables become v0, v1, … in order of appearance; imported,
    builtin and attribute names stay. Text that is no Python keeps its words, separated by single
    spaces.

    >>> a = normalised_program("def f(x):\\n    # twice\\n    return x * 2")
    >>> b = normalised_program("def g(n):\\n    'Doubles.'\\n    return (n*2)")
    >>> a == b, a
    (True, 'def v0(v1):\\n    return v1 * 2')
    """
    names, tree = _Names(), parsed(text)
    try:
        if tree is not None:
            names.collect(tree)
            return ast.unparse(names.visit(tree))
    except (ValueError, RecursionError):
        pass
    return " ".join(text.split())


def parsed(text: str) -> ast.Module | None:
    """The syntax tree of what a model wrote; None where it isn't Python. Nothing is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and numbers that the model wrote
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Names(ast.NodeTransformer):
    """Renames what the program itself names, and drops docstrings."""

    def __init__(self) -> None:
        self.new: dict[str, str] = {}

    def collect(self, tree: ast.AST) -> None:
        """Gives each name bound in ``tree`` its number, outside in and top down."""
        for node in _in_order(tree):
            name = None
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = node.name
            elif isinstance(node, ast.arg):
                name = node.arg
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            if name is not None:
                self.new.setdefault(name, f"v{len(self.new)}")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.name = self.new[node.name]
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = self.new[node.arg], None
        elif isinstance(node, ast.Name):
            node.id = self.new.get(node.id, node.id)
        elif isinstance(node, ast.keyword) and node.arg:
            node.arg = self.new.get(node.arg, node.arg)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            rest = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
            node.body = rest or ([] if isinstance(node, ast.Module) else [ast.Pass()])
        return node


def _in_order(node: ast.AST) -> list[ast.AST]:
    """The nodes depth first, in the order of the text."""
    found = [node]
    for child in ast.iter_child_nodes(node):
        found.extend(_in_order(child))
    return found


@dataclass(frozen=True)
class Diversity:
    """Diversity of the solutions of several problems."""

    distinct: Estimate
    """distinct normalised programs / programs, mean over problems, in (0, 1]; 1 each differs"""
    distance: Estimate | Undefined
    """mean pairwise edit distance / length of the longer, mean over problems, in [0, 1]"""
    programs: int
    """programs compared"""
    single: int
    """problems with one program: distinct by necessity, and without a pair"""


def solution_diversity(
    programs: Mapping[str, Sequence[str]], alpha: float = 0.05
) -> Diversity | Undefined:
    """Diversity of ``programs``, problem -> its solutions; problems are the unit.

    Distinctness depends on how many there are: compare arms at the same number of samples. Edit
    distance: Levenshtein over characters of the normalised programs, over all pairs of a problem's
    first ``MAX_PROGRAMS``. Problems with one program do not count towards the distance; without a
    problem of two it is undefined. Reference: Levenshtein (1966), Soviet Physics Doklady 10.

    >>> d = solution_diversity({"p": ["x = 1", "y = 1", "y = 22"], "q": ["a = 1"]})
    >>> round(d.distinct.value, 3), round(d.distance.value, 3), d.single
    (0.833, 0.19, 1)
    """
    solved = {name: list(texts) for name, texts in programs.items() if texts}
    if not solved:
        return Undefined("no problem has a solution")
    normal = {name: [normalised_program(text) for text in texts] for name, texts in solved.items()}
    distinct = [len(set(texts)) / len(texts) for texts in normal.values()]
    distances = [mean_distance(texts) for texts in normal.values() if len(texts) > 1]
    distance: Estimate | Undefined = Undefined("no problem has two solutions")
    if distances:
        distance = clustered_proportion(distances, alpha, "problem")
    return Diversity(
        clustered_proportion(distinct, alpha, "problem"),
        distance,
        sum(len(texts) for texts in normal.values()),
        sum(len(texts) == 1 for texts in normal.values()),
    )


def mean_distance(texts: Sequence[str]) -> float:
    """Mean edit distance over all pairs, each divided by the longer text's length; in [0, 1].

    >>> mean_distance(["abcd", "abce", "abcd"])
    0.16666666666666666
    """
    pairs = list(combinations(texts[:MAX_PROGRAMS], 2))
    if not pairs:
        raise ValueError("One text has no pair, so no distance. Give at least two.")
    return float(np.mean([Levenshtein.normalized_distance(a, b) for a, b in pairs]))
