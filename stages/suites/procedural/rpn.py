"""Reverse Polish notation: an expression tree, written as postfix in the prompt."""

from __future__ import annotations

import dataclasses
import operator
from random import Random
from typing import Any

OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
MAX_DEPTH = 5  # brackets at most four deep: longer runs are rare tokens
Tree = Any  # a variable's name, an int, or (operator, left, right)


@dataclasses.dataclass(frozen=True)
class Expression:
    """An expression over ``args``; ``flat`` programs leave out the brackets (a bug)."""

    args: tuple[str, ...]
    tree: Tree
    flat: bool = False

    def prompt(self, entry_point: str) -> str:
        return f"write {entry_point}({', '.join(self.args)}): rpn {_postfix(self.tree)}"

    def program(self, entry_point: str) -> str:
        text = _infix(self.tree, flat=self.flat)
        return f"def {entry_point}({', '.join(self.args)}):\n    return {text}"

    def run(self, args: tuple[Any, ...]) -> Any:
        values = dict(zip(self.args, args, strict=False))
        if not self.flat:
            return _value(self.tree, values)
        return _flat_value(_leaves(self.tree), values)

    def mutate(self, rng: Random) -> Expression | None:
        if rng.random() < 0.25:
            return dataclasses.replace(self, flat=True)
        place = int(rng.random() * _size(self.tree))
        return dataclasses.replace(self, tree=_change(self.tree, place, self.args, rng))


def draw_expression(difficulty: int, rng: Random) -> Expression:
    """An expression with ``difficulty`` operators over one to three variables."""
    while True:
        expression = _draw_any(difficulty, rng)
        if _depth(expression.tree) <= MAX_DEPTH:
            return expression


def _depth(tree: Tree) -> int:
    return 1 + max(_depth(tree[1]), _depth(tree[2])) if isinstance(tree, tuple) else 0


def _draw_any(difficulty: int, rng: Random) -> Expression:
    names = ("a", "b", "c")[: 1 + int(rng.random() * min(3, difficulty + 1))]
    leaves: list[Tree] = [*names, *(_leaf(names, rng) for _ in range(difficulty + 1 - len(names)))]
    rng.shuffle(leaves)
    while len(leaves) > 1:  # join neighbours, so the postfix reads its leaves from left to right
        place = int(rng.random() * (len(leaves) - 1))
        leaves[place : place + 2] = [(rng.choice("+-*"), leaves[place], leaves[place + 1])]
    return Expression(names, leaves[0])


def _leaf(names: tuple[str, ...], rng: Random) -> Tree:
    return rng.choice(names) if rng.random() < 0.4 else 1 + int(rng.random() * 20)


def _postfix(tree: Tree) -> str:
    if not isinstance(tree, tuple):
        return str(tree)
    return f"{_postfix(tree[1])} {_postfix(tree[2])} {tree[0]}"


def _infix(tree: Tree, *, flat: bool, top: bool = True) -> str:
    if not isinstance(tree, tuple):
        return str(tree)
    left, right = (_infix(side, flat=flat, top=False) for side in tree[1:])
    text = f"{left} {tree[0]} {right}"
    return text if top or flat else f"({text})"


def _value(tree: Tree, values: dict[str, Any]) -> Any:
    if not isinstance(tree, tuple):
        return values.get(tree, tree)
    return OPERATORS[tree[0]](_value(tree[1], values), _value(tree[2], values))


def _leaves(tree: Tree) -> list[Any]:
    """Operands and operators in infix order, brackets forgotten."""
    if not isinstance(tree, tuple):
        return [tree]
    return [*_leaves(tree[1]), tree[0], *_leaves(tree[2])]


def _flat_value(items: list[Any], values: dict[str, Any]) -> Any:
    """Value of infix ``items`` without brackets: products first, then from left to right."""
    total, product = 0, values.get(items[0], items[0])
    for symbol, leaf in zip(items[1::2], items[2::2], strict=True):
        value = values.get(leaf, leaf)
        if symbol == "*":
            product *= value
        else:
            total, product = total + product, value if symbol == "+" else -value
    return total + product


def _size(tree: Tree) -> int:
    return 1 + _size(tree[1]) + _size(tree[2]) if isinstance(tree, tuple) else 1


def _change(tree: Tree, place: int, names: tuple[str, ...], rng: Random) -> Tree:
    """The tree with node ``place`` (in preorder) changed: a leaf, an operator, or its order."""
    if not isinstance(tree, tuple):
        return _leaf(names, rng)
    symbol, left, right = tree
    if place == 0:
        if symbol == "-" and rng.random() < 0.5:
            return (symbol, right, left)
        return (rng.choice([s for s in "+-*" if s != symbol]), left, right)
    if place <= _size(left):
        return (symbol, _change(left, place - 1, names, rng), right)
    return (symbol, left, _change(right, place - 1 - _size(left), names, rng))
