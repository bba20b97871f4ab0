"""The twelve kinds of problem: which operation makes each, and what may stand around it."""

from __future__ import annotations

import dataclasses
from random import Random

from stages.suites.procedural.central import OPERATIONS
from stages.suites.procedural.recipe import Draft, Recipe, Step, is_number
from stages.suites.procedural.rpn import draw_expression

BODY_TOKENS = 48
"""Longest body of a reference program, in word tokens, at difficulty 10."""

_LIST = (
    "skip",
    "take",
    "drop",
    "reverse",
    "sort",
    "append",
    "prepend",
    "keep_above",
    "keep_below",
    "each_plus",
    "each_minus",
    "each_times",
)
_KEEP = (
    "skip",
    "take",
    "drop",
    "append",
    "prepend",
    "keep_above",
    "keep_below",
    "each_plus",
    "each_minus",
    "each_times",
)
_FILTER = (
    "skip",
    "take",
    "drop",
    "keep_above",
    "keep_below",
    "each_plus",
    "each_minus",
    "each_times",
)
_MIRROR = ("skip", "take", "drop", "sort", "append", "prepend", "keep_above", "keep_below")
_TEXT = ("skip", "take", "drop", "reverse")
_NUMBER = ("plus", "minus", "times")


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of problem."""

    domain: str
    """Which inputs it takes; see ``draw_input``."""
    correct_rate: float
    """Share of corpus documents with a right solution, so that sampled pass@1 lies mid-range."""
    args: tuple[str, ...] = ("a",)
    """Parameters of the function."""
    central: tuple[str, ...] = ()
    """Operations that make the kind, one per problem; empty for arithmetic and rpn."""
    before: tuple[str, ...] = ()
    """Operations that may come before it."""
    after: tuple[str, ...] = ()
    """Operations that may come after it."""
    result: str = "n"
    """Variable that holds the result."""
    start_tokens: int = 14
    """Tokens of other operations at difficulty 1."""


KIND_TABLE = {
    "arithmetic": Kind("triple", 0.75, ("a", "b", "c"), after=_NUMBER, result="a"),
    "rpn": Kind("triple", 0.85, ("a", "b", "c")),
    "parentheses": Kind("text", 0.80, ("s",), ("deepest", "lowest"), _TEXT, _NUMBER, "m", 4),
    "fibonacci": Kind(
        "index", 0.80, ("n",), ("fibonacci", "fibonacci_adding"), ("step",), _NUMBER, "a", 4
    ),
    "remove_duplicates": Kind(
        "list", 0.75, ("a",), ("unique_first", "unique_last", "unique_sorted"), _LIST, _LIST, "a"
    ),
    "reverse": Kind(
        "list", 0.75, ("a",), ("reverse_all", "reverse_first", "reverse_after"), _KEEP, _KEEP, "a"
    ),
    "count": Kind("list", 0.85, ("a",), ("count_above", "count_below"), _KEEP, _NUMBER),
    "maximum": Kind("list", 0.80, ("a",), ("largest", "smallest"), _FILTER, _NUMBER),
    "palindrome": Kind(
        "list", 0.80, ("a",), ("mismatches", "distance"), _MIRROR, _NUMBER, start_tokens=8
    ),
    "sum_digits": Kind(
        "number",
        0.85,
        ("n",),
        ("sum_digits", "largest_digit"),
        ("grow", "scale"),
        _NUMBER,
        start_tokens=8,
    ),
    "gcd": Kind("pair", 0.85, ("a", "b"), ("gcd",), ("grow", "scale"), _NUMBER, "a", 8),
    "running_sum": Kind(
        "list", 0.75, ("a",), ("running_sum", "running_largest"), _LIST, _LIST, "b", 8
    ),
}
KINDS = tuple(KIND_TABLE)


def draw_draft(name: str, difficulty: int, rng: Random) -> Draft:
    """One draft of this kind and difficulty."""
    if name == "rpn":
        return draw_expression(difficulty, rng)
    if name == "arithmetic":
        return _draw_arithmetic(difficulty, rng)
    return _draw_recipe(KIND_TABLE[name], difficulty, rng)


def _draw_arithmetic(difficulty: int, rng: Random) -> Recipe:
    """``difficulty`` operations on ``a``; operands are numbers or the other parameters."""
    others = ("b", "c")[: int(rng.random() * min(3, difficulty + 1))]
    steps: list[Step] = []
    for index in range(difficulty):
        op = rng.choice(_NUMBER)
        operand = OPERATIONS[op].draw(rng)
        if index < len(others):
            operand = others[index]
        elif others and rng.random() < 0.2:
            operand = rng.choice(others)
        steps.append(Step(op, "a", operand))
    rng.shuffle(steps)
    steps[0] = steps[0]._replace(named=True)
    return Recipe(("a", *others), tuple(steps), -1, "a")


def _draw_recipe(kind: Kind, difficulty: int, rng: Random) -> Recipe:
    """A central operation with others around it, as many tokens of them as difficulty allows."""
    central = rng.choice(kind.central)
    operation = OPERATIONS[central]
    room = BODY_TOKENS - operation.cost - kind.start_tokens
    budget = kind.start_tokens + int(room * (difficulty - 1) / 9 + 4 * rng.random())
    before: list[Step] = []
    after: list[Step] = []
    last = ""
    while True:
        early = rng.random() < 0.5
        pool = kind.before if early else kind.after
        fitting = [op for op in pool if OPERATIONS[op].cost <= budget and op != last]
        if not fitting:
            pool = kind.after if early else kind.before
            fitting = [op for op in pool if OPERATIONS[op].cost <= budget and op != last]
            early = not early
        if not fitting:
            break
        last = rng.choice(fitting)
        budget -= OPERATIONS[last].cost
        variable = rng.choice(kind.args) if early else kind.result
        step = Step(last, variable, OPERATIONS[last].draw(rng), early and is_number(last))
        (before if early else after).append(step)
    middle = Step(central, kind.args[0], operation.draw(rng))
    return Recipe(kind.args, (*before, middle, *after), len(before), kind.result)
