"""Whether an answer is the true one, by meaning: numbers and algebra exactly, form where asked.

Never by running anything, and never by rounding. Forms that a question asks for count: a polynomial
factored or expanded as the truth is, a number computed to the end, an interval's open ends. Forms
that it doesn't ask for don't: order of terms, solutions and factors, units left out, ``2/4``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Protocol

from stages.suites.maths.units import PERCENT, Unit, factor
from stages.suites.maths.values import (
    Algebra,
    Based,
    Equation,
    Group,
    Number,
    Value,
    Words,
    read_answer,
)

_UNORDERED = ("list", "set", "union")


class Same(Protocol):
    """Decides whether two LaTeX texts are the same algebra: ``kind`` expression or equation."""

    def __call__(self, kind: str, answer: str, truth: str) -> bool: ...


def is_equal(answer: str, truth: str, same: Same) -> bool:
    """Whether ``answer`` means the same as ``truth``; an answer that says nothing never does.

    ``same`` decides what numbers, words and structure leave open; see ``AlgebraWorker``.
    """
    left, right = read_answer(answer), read_answer(truth)
    if left is None or right is None:
        return False
    return _equal(left, right, same)


def _equal(answer: Value, truth: Value, same: Same) -> bool:
    if isinstance(answer, Equation) or isinstance(truth, Equation):
        return _equations(answer, truth, same)
    if isinstance(answer, Group) or isinstance(truth, Group):
        return _groups(answer, truth, same)
    if isinstance(answer, Based) or isinstance(truth, Based):
        return _based(answer, truth)
    if isinstance(answer, Words) or isinstance(truth, Words):
        return _words(answer, truth)
    if isinstance(answer, Number) and isinstance(truth, Number):
        return _numbers(answer, truth)
    if isinstance(truth, Number):  # an expression still to be computed is no answer
        return False
    return _algebra(answer, truth, same)


def _numbers(answer: Number, truth: Number) -> bool:
    value = answer.value
    percents = [bool(n.unit and n.unit.words == (PERCENT,)) for n in (answer, truth)]
    if percents == [False, True] and answer.unit is None:
        return value in (truth.value, truth.value / 100)
    if percents == [True, False] and truth.unit is None:
        return value / 100 == truth.value or (value == truth.value and value > 1)
    size = _size(answer.unit, truth.unit)
    return size is not None and value * size == truth.value


def _size(answer: Unit | None, truth: Unit | None) -> Fraction | None:
    return Fraction(1) if answer is None or truth is None else factor(answer, truth)


def _based(answer: Value, truth: Value) -> bool:
    if isinstance(answer, Based) and isinstance(truth, Based):
        return answer == truth
    if isinstance(truth, Based):  # the question names the base: digits alone will do
        return _plain(answer) == truth.digits
    return isinstance(answer, Based) and answer.base == 10 and answer.digits == _plain(truth)


def _plain(value: Value) -> str:
    if isinstance(value, Number):
        return str(value.value) if value.unit is None else ""
    return value.text if isinstance(value, Algebra | Words) else ""


def _words(answer: Value, truth: Value) -> bool:
    """Words without regard to case; a single letter, perhaps a variable, with it."""
    texts = [re.sub(r"[\s()]", "", _plain(value)) for value in (answer, truth)]
    if min(map(len, texts)) > 1:
        texts = [text.casefold() for text in texts]
    return bool(texts[0]) and texts[0] == texts[1]


def _algebra(answer: Value, truth: Value, same: Same) -> bool:
    if not isinstance(truth, Algebra):
        return False
    if _size(getattr(answer, "unit", None), truth.unit) != 1:
        return False
    text = _latex(answer)
    if text.replace(" ", "") == truth.text.replace(" ", ""):
        return True
    return r"\infty" not in text + truth.text and same("expression", text, truth.text)


def _latex(value: Value) -> str:
    if isinstance(value, Number):
        top, below = value.value.numerator, value.value.denominator
        return str(top) if below == 1 else rf"\frac{{{top}}}{{{below}}}"
    return value.text if isinstance(value, Algebra | Words | Equation) else ""


def _equations(answer: Value, truth: Value, same: Same) -> bool:
    if isinstance(answer, Equation) and isinstance(truth, Equation):
        if answer.name and answer.name == truth.name:
            return _equal(answer.right, truth.right, same)
        if truth.name and isinstance(truth.right, Number):  # solved, so the answer must be too
            return False
        return same("equation", answer.text, truth.text)
    if isinstance(truth, Equation):
        return bool(truth.name) and _equal(answer, truth.right, same)
    return isinstance(answer, Equation) and bool(answer.name) and _equal(answer.right, truth, same)


def _groups(answer: Value, truth: Value, same: Same) -> bool:
    if not isinstance(answer, Group) or not isinstance(truth, Group):
        return False

    def equal(left: Value, right: Value) -> bool:
        return _equal(left, right, same)

    kinds = {answer.kind, truth.kind}
    if len(kinds) > 1 and kinds != {"list", "set"}:
        return False
    if truth.kind not in _UNORDERED:
        return len(answer.parts) == len(truth.parts) and all(map(equal, answer.parts, truth.parts))
    parts = [answer.parts, truth.parts]
    if "set" in kinds:
        parts = [_distinct(each, equal) for each in parts]
    return _matched(parts[0], parts[1], equal)


def _distinct(parts: Sequence[Value], equal: Callable[[Value, Value], bool]) -> list[Value]:
    found: list[Value] = []
    for part in parts:
        if not any(equal(part, other) for other in found):
            found.append(part)
    return found


def _matched(
    answer: Sequence[Value], truth: Sequence[Value], equal: Callable[[Value, Value], bool]
) -> bool:
    """Whether the parts pair off, in whatever order."""
    left = list(truth)
    if len(answer) != len(left):
        return False
    for part in answer:
        twin = next((n for n, other in enumerate(left) if equal(part, other)), None)
        if twin is None:
            return False
        del left[twin]
    return True
