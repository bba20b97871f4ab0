"""A sum as steps: what is computed, in which order, and how each step reads.

Text and value both come from the steps, so a changed step gives a wrong solution that is still
consistent in itself, as a careless pupil's is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

LINES = 2
"""Lines of reasoning at most."""
OPENING = "note "
"""Begins a line of reasoning: the organism's tokenizer knows numbers after a space only."""


class Ref(NamedTuple):
    """The value of an earlier step."""

    index: int
    """Place of that step, from 0."""


Operand = int | Ref


class Step(NamedTuple):
    """One operation on two whole numbers."""

    op: str
    """``plus``, ``minus``, ``times`` or ``over``, a division without remainder."""
    left: Operand
    right: Operand
    off: int = 0
    """By how much a wrong calculation is off; 0 in a right one."""


class Form(NamedTuple):
    """What the answer is: the last step's value, or a fraction of two operands."""

    top: Operand | None = None
    bottom: Operand | None = None


def values_of_steps(steps: Sequence[Step]) -> list[int] | None:
    """Every step's value; None where a division has a remainder or a value is below 0."""
    values: list[int] = []
    for step in steps:
        value = _apply(step.op, read(step.left, values), read(step.right, values))
        if value is None or value + step.off < 0:
            return None
        values.append(value + step.off)
    return values


def read(operand: Operand, values: Sequence[int]) -> int:
    """The number an operand stands for."""
    return values[operand.index] if isinstance(operand, Ref) else operand


def answer_of(form: Form, values: Sequence[int]) -> str | None:
    """The answer's text, ``12`` or ``3/8`` (not reduced); None for a fraction that isn't one."""
    if form.top is None or form.bottom is None:
        return str(values[-1])
    top, bottom = read(form.top, values), read(form.bottom, values)
    return f"{top}/{bottom}" if bottom else None


def reasoning_of(steps: Sequence[Step], values: Sequence[int]) -> str:
    """The steps in words, in one or two lines.

    >>> reasoning_of([Step("times", 5, 3), Step("plus", 7, Ref(0))], [15, 22])
    'note 5 times 3 is 15\\nnote 7 plus 15 is 22'
    """
    said = [
        f"{read(step.left, values)} {step.op} {read(step.right, values)} is {value}"
        for step, value in zip(steps, values, strict=True)
    ]
    size = math.ceil(len(said) / LINES)
    lines = [" then ".join(said[i : i + size]) for i in range(0, len(said), size)]
    return "\n".join(OPENING + line for line in lines)


def content(steps: Sequence[Step], form: Form) -> str:
    """What is computed, in whatever words: terms and factors in order of size."""
    told = [(step.op, *_sorted(step)) for step in steps]
    return repr((told, tuple(form)))


def _sorted(step: Step) -> tuple[str, ...]:
    operands = [repr(step.left), repr(step.right)]
    return tuple(sorted(operands) if step.op in ("plus", "times") else operands)


def _apply(op: str, left: int, right: int) -> int | None:
    if op == "over":
        return left // right if right and left % right == 0 else None
    return {"plus": left + right, "minus": left - right, "times": left * right}[op]
