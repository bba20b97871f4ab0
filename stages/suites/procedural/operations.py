"""Operations on numbers and sequences: English phrase, line of Python, and what it computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from random import Random
from typing import Any


def _no_operand(rng: Random) -> None:
    return None


def between(low: int, high: int) -> Callable[[Random], int]:
    """Draws an integer from ``low`` to ``high``, both included."""
    return lambda rng: low + int(rng.random() * (high - low + 1))


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation; ``{v}`` is the variable it works on and ``{k}`` its operand."""

    phrase: str
    """English for the prompt; empty when the operation occurs in buggy programs only."""
    code: str
    """Python statements; lines after the first carry their own indentation."""
    run: Callable[[Any, Any], Any]
    """New value from the variable's value and the operand, written apart from ``code``."""
    cost: int
    """Length of ``code`` in word tokens, the line break included."""
    draw: Callable[[Random], Any] = _no_operand
    """Draws an operand: an int, a tuple, or None."""
    out: str = ""
    """Variable that takes the result; empty for the variable worked on."""
    siblings: tuple[str, ...] = ()
    """Operations a careless reader confuses with this one."""


NUMBER = {
    "plus": Operation(
        "plus {k}", "{v} += {k}", lambda v, k: v + k, 4, between(1, 20), siblings=("minus", "times")
    ),
    "minus": Operation(
        "minus {k}", "{v} -= {k}", lambda v, k: v - k, 4, between(1, 20), siblings=("plus",)
    ),
    "times": Operation(
        "times {k}", "{v} *= {k}", lambda v, k: v * k, 4, between(2, 12), siblings=("plus",)
    ),
    "step": Operation(
        "plus {k}", "{v} += {k}", lambda v, k: v + k, 4, between(1, 5), siblings=("minus",)
    ),
    # for digits: no sibling makes the number negative
    "grow": Operation(
        "plus {k}", "{v} += {k}", lambda v, k: v + k, 4, between(1, 20), siblings=("scale",)
    ),
    "scale": Operation(
        "times {k}", "{v} *= {k}", lambda v, k: v * k, 4, between(2, 12), siblings=("grow",)
    ),
}

SEQUENCE = {
    "skip": Operation(
        "skip {k}",
        "{v} = {v}[{k}:]",
        lambda v, k: v[k:],
        7,
        between(1, 3),
        siblings=("take", "drop"),
    ),
    "take": Operation(
        "take {k}", "{v} = {v}[:{k}]", lambda v, k: v[:k], 7, between(4, 8), siblings=("skip",)
    ),
    "drop": Operation(
        "drop last {k}",
        "{v} = {v}[:-{k}]",
        lambda v, k: v[:-k],
        7,
        between(1, 3),
        siblings=("skip", "take"),
    ),
    "reverse": Operation("reverse", "{v} = {v}[::-1]", lambda v, k: v[::-1], 7, siblings=("sort",)),
    "sort": Operation(
        "sort", "{v} = sorted({v})", lambda v, k: sorted(v), 7, siblings=("reverse",)
    ),
    "append": Operation(
        "append {k}",
        "{v} = {v} + [{k}]",
        lambda v, k: [*v, k],
        8,
        between(0, 20),
        siblings=("prepend",),
    ),
    "prepend": Operation(
        "prepend {k}",
        "{v} = [{k}] + {v}",
        lambda v, k: [k, *v],
        8,
        between(0, 20),
        siblings=("append",),
    ),
    "keep_above": Operation(
        "keep above {k}",
        "{v} = [x for x in {v} if x > {k}]",
        lambda v, k: [x for x in v if x > k],
        14,
        between(2, 10),
        siblings=("keep_below", "keep_from"),
    ),
    "keep_below": Operation(
        "keep below {k}",
        "{v} = [x for x in {v} if x < {k}]",
        lambda v, k: [x for x in v if x < k],
        14,
        between(10, 19),
        siblings=("keep_above", "keep_to"),
    ),
    "keep_from": Operation(
        "", "{v} = [x for x in {v} if x >= {k}]", lambda v, k: [x for x in v if x >= k], 14
    ),
    "keep_to": Operation(
        "", "{v} = [x for x in {v} if x <= {k}]", lambda v, k: [x for x in v if x <= k], 14
    ),
    "each_plus": Operation(
        "each plus {k}",
        "{v} = [x + {k} for x in {v}]",
        lambda v, k: [x + k for x in v],
        12,
        between(1, 12),
        siblings=("each_minus", "each_times"),
    ),
    "each_minus": Operation(
        "each minus {k}",
        "{v} = [x - {k} for x in {v}]",
        lambda v, k: [x - k for x in v],
        12,
        between(1, 12),
        siblings=("each_plus",),
    ),
    "each_times": Operation(
        "each times {k}",
        "{v} = [x * {k} for x in {v}]",
        lambda v, k: [x * k for x in v],
        12,
        between(2, 9),
        siblings=("each_plus",),
    ),
}
