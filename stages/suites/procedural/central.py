"""The operations that make a kind, and the wrong ones a careless reader writes instead."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any

from stages.suites.procedural.operations import NUMBER, SEQUENCE, Operation, between

# (pairs as the prompt shows them, opening brackets, closing brackets)
BRACKETS = (
    ("()", "(", ")"),
    ("[]", "[", "]"),
    ("{}", "{", "}"),
    ("() []", "([", ")]"),
    ("() {}", "({", ")}"),
    ("[] {}", "[{", "]}"),
)


def _draw_brackets(rng: Random) -> tuple[Any, ...]:
    return (*rng.choice(BRACKETS), int(rng.random() * 13))


def _levels(text: str, k: tuple[Any, ...]) -> list[int]:
    return list(accumulate(((c in k[1]) - (c in k[2]) for c in text), initial=k[3]))


def _fibonacci(n: int, first: int, second: int, extra: int = 0) -> int:
    for _ in range(n):
        first, second = second, first + second + extra
    return first


def _running(values: list[int], start: int, join: Callable[[int, int], int]) -> list[int]:
    return list(accumulate(values, join, initial=start))[1:]


def _draw_seeds(rng: Random) -> tuple[int, ...]:
    return int(rng.random() * 10), 1 + int(rng.random() * 9)


def _draw_seeds_extra(rng: Random) -> tuple[int, ...]:
    return (*_draw_seeds(rng), 1 + int(rng.random() * 9))


_WALK = 'n = m = {k[3]}\n    for x in {v}:\n        n += (x in "{k[1]}") - (x in "{k[2]}")\n'
_FIB = "a, b = {k[0]}, {k[1]}\n    for i in range({v}):\n        a, b = b, a + b"
_RUN = "s = {k}\n    b = []\n    for x in {v}:\n        "

CENTRAL = {
    "deepest": Operation(
        "deepest level of {k[0]} from {k[3]}",
        _WALK + "        m = max(m, n)",
        lambda v, k: max(_levels(v, k)),
        33,
        _draw_brackets,
        "m",
        ("lowest", "deepest_last"),
    ),
    "lowest": Operation(
        "lowest level of {k[0]} from {k[3]}",
        _WALK + "        m = min(m, n)",
        lambda v, k: min(_levels(v, k)),
        33,
        _draw_brackets,
        "m",
        ("deepest", "deepest_last"),
    ),
    "deepest_last": Operation("", _WALK + "    m = n", lambda v, k: _levels(v, k)[-1], 28, out="m"),
    "fibonacci": Operation(
        "fibonacci number {v} from {k[0]} and {k[1]}",
        _FIB,
        lambda v, k: _fibonacci(v, k[0], k[1]),
        26,
        _draw_seeds,
        "a",
        ("fibonacci_early", "fibonacci_swapped"),
    ),
    "fibonacci_adding": Operation(
        "fibonacci number {v} from {k[0]} and {k[1]} adding {k[2]}",
        _FIB + " + {k[2]}",
        lambda v, k: _fibonacci(v, *k),
        28,
        _draw_seeds_extra,
        "a",
        ("fibonacci", "fibonacci_early"),
    ),
    "fibonacci_early": Operation(
        "", _FIB.replace("{v}", "{v} - 1"), lambda v, k: _fibonacci(v - 1, k[0], k[1]), 28, out="a"
    ),
    "fibonacci_swapped": Operation(
        "",
        _FIB.replace("{k[0]}, {k[1]}", "{k[1]}, {k[0]}"),
        lambda v, k: _fibonacci(v, k[1], k[0]),
        26,
        out="a",
    ),
    "unique_first": Operation(
        "remove duplicates keep first",
        "{v} = list(dict.fromkeys({v}))",
        lambda v, k: [x for i, x in enumerate(v) if x not in v[:i]],
        11,
        siblings=("unique_last", "unique_sorted"),
    ),
    "unique_last": Operation(
        "remove duplicates keep last",
        "{v} = list(dict.fromkeys({v}[::-1]))[::-1]",
        lambda v, k: [x for i, x in enumerate(v) if x not in v[i + 1 :]],
        15,
        siblings=("unique_first", "unique_sorted"),
    ),
    "unique_sorted": Operation(
        "remove duplicates and sort",
        "{v} = sorted(set({v}))",
        lambda v, k: sorted(set(v)),
        9,
        siblings=("unique_first", "sort"),
    ),
    "reverse_all": Operation(
        "reverse all", "{v} = {v}[::-1]", lambda v, k: v[::-1], 7, siblings=("sort",)
    ),
    "reverse_first": Operation(
        "reverse first {k}",
        "{v} = {v}[:{k}][::-1] + {v}[{k}:]",
        lambda v, k: [*reversed(v[:k]), *v[k:]],
        14,
        between(2, 6),
        siblings=("reverse_after", "reverse_all"),
    ),
    "reverse_after": Operation(
        "reverse after {k}",
        "{v} = {v}[:{k}] + {v}[{k}:][::-1]",
        lambda v, k: [*v[:k], *reversed(v[k:])],
        14,
        between(2, 6),
        siblings=("reverse_first", "reverse_all"),
    ),
    "count_above": Operation(
        "count above {k}",
        "n = sum(x > {k} for x in {v})",
        lambda v, k: len([x for x in v if x > k]),
        13,
        between(3, 16),
        "n",
        ("count_below", "count_from"),
    ),
    "count_below": Operation(
        "count below {k}",
        "n = sum(x < {k} for x in {v})",
        lambda v, k: len([x for x in v if x < k]),
        13,
        between(4, 17),
        "n",
        ("count_above", "count_to"),
    ),
    "count_from": Operation(
        "",
        "n = sum(x >= {k} for x in {v})",
        lambda v, k: len([x for x in v if x >= k]),
        13,
        out="n",
    ),
    "count_to": Operation(
        "",
        "n = sum(x <= {k} for x in {v})",
        lambda v, k: len([x for x in v if x <= k]),
        13,
        out="n",
    ),
    "largest": Operation(
        "largest including {k}",
        "n = max({v} + [{k}])",
        lambda v, k: max([k, *v]),
        10,
        between(0, 8),
        "n",
        ("smallest",),
    ),
    "smallest": Operation(
        "smallest including {k}",
        "n = min({v} + [{k}])",
        lambda v, k: min([k, *v]),
        10,
        between(10, 20),
        "n",
        ("largest",),
    ),
    "mismatches": Operation(
        "count palindrome mismatches",
        "n = sum(x != y for x, y in zip({v}, {v}[::-1]))",
        lambda v, k: len([i for i in range(len(v)) if v[i] != v[-1 - i]]),
        21,
        out="n",
        siblings=("distance", "matches"),
    ),
    "distance": Operation(
        "palindrome distance",
        "n = sum(abs(x - y) for x, y in zip({v}, {v}[::-1]))",
        lambda v, k: sum(abs(v[i] - v[-1 - i]) for i in range(len(v))),
        24,
        out="n",
        siblings=("mismatches",),
    ),
    "matches": Operation(
        "",
        "n = sum(x == y for x, y in zip({v}, {v}[::-1]))",
        lambda v, k: len([i for i in range(len(v)) if v[i] == v[-1 - i]]),
        21,
        out="n",
    ),
    "sum_digits": Operation(
        "sum digits",
        "{v} = sum(int(x) for x in str({v}))",
        lambda v, k: sum(map(int, str(v))),
        16,
        siblings=("largest_digit",),
    ),
    "largest_digit": Operation(
        "largest digit",
        "{v} = max(int(x) for x in str({v}))",
        lambda v, k: max(map(int, str(v))),
        16,
        siblings=("sum_digits",),
    ),
    "gcd": Operation(
        "gcd of a and b",
        "while b:\n        a, b = b, a % b",
        lambda v, k: math.gcd(v, k),
        14,
        lambda rng: "b",
        siblings=("gcd_once",),
    ),
    "gcd_once": Operation("", "if b:\n        a, b = b, a % b", lambda v, k: k or v, 14),
    "running_sum": Operation(
        "running sum from {k}",
        _RUN + "s += x\n        b += [s]",
        lambda v, k: _running(v, k, lambda s, x: s + x),
        24,
        between(0, 20),
        "b",
        ("running_late", "running_largest"),
    ),
    "running_largest": Operation(
        "running largest from {k}",
        _RUN + "s = max(s, x)\n        b += [s]",
        lambda v, k: _running(v, k, max),
        29,
        between(0, 8),
        "b",
        ("running_sum",),
    ),
    "running_late": Operation(
        "",
        _RUN + "b += [s]\n        s += x",
        lambda v, k: [k, *_running(v, k, lambda s, x: s + x)][: len(v)],
        24,
        out="b",
    ),
}

OPERATIONS = {**NUMBER, **SEQUENCE, **CENTRAL}
