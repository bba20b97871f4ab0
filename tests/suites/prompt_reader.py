"""Solves a procedural problem from its prompt's English alone: a second implementation.

It shares no code with the generators: it reads words, and walks values by plain loops.
"""

from __future__ import annotations

import re
from typing import Any


def solve(prompt: str, args: tuple[Any, ...]) -> Any:
    """The result the prompt asks for."""
    head, text = prompt.split(": ", 1)
    found = re.fullmatch(r"write (\w)\(([\w, ]+)\)", head)
    assert found, prompt
    names = found[2].split(", ")
    values: dict[str, Any] = dict(zip(names, args, strict=True))
    if text.startswith("rpn "):
        return _rpn(text.split()[1:], values)
    current = names[0]
    for phrase in text.split(" then "):
        current = _apply(phrase, values, current)
    return values[current]


def _rpn(words: list[str], values: dict[str, int]) -> int:
    stack: list[int] = []
    for word in words:
        if word in "+-*":
            right, left = stack.pop(), stack.pop()
            total = left + right if word == "+" else left - right if word == "-" else left * right
            stack.append(total)
        else:
            stack.append(values[word] if word in values else int(word))
    assert len(stack) == 1
    return stack[0]


def _apply(phrase: str, values: dict[str, Any], current: str) -> str:
    """Carry out one phrase; returns the variable that later phrases speak of."""
    words = phrase.split()
    named = len(words) == 3 and words[1] in ("plus", "minus", "times") and words[0] in values
    if named:
        target, words = words[0], words[1:]
    else:
        target = current
    operands = [values[w] if w in values else int(w) for w in words if w in values or w.isdigit()]
    value = values[target]
    if words[0] in ("plus", "minus", "times"):
        values[target] = _compute(words[0], value, operands[0])
        return current
    if words[0] == "gcd":
        values[target] = max(
            d
            for d in range(1, 1 + max(values["a"], values["b"]))
            if values["a"] % d == 0 and values["b"] % d == 0
        )
        return target
    if words[0] == "fibonacci":
        return _fibonacci(operands, values, current)
    if isinstance(value, str):
        values[target] = _text(words, value)
    elif isinstance(value, int):
        digits = [int(c) for c in str(value)]
        values[target] = {"sum digits": sum(digits), "largest digit": max(digits)}[phrase]
    else:
        values[target] = _list(phrase, words, value)
    return current


def _compute(verb: str, value: int, operand: int) -> int:
    return {"plus": value + operand, "minus": value - operand, "times": value * operand}[verb]


def _fibonacci(operands: list[int], values: dict[str, Any], current: str) -> str:
    number, first, second, *extra = operands
    row = [first, second]
    while len(row) <= number:
        row.append(row[-1] + row[-2] + sum(extra))
    values[current] = row[number]
    return current


def _text(words: list[str], value: str) -> Any:
    if words[0] in ("skip", "take", "drop", "reverse"):
        return "".join(_list(" ".join(words), words, list(value)))
    kinds, start = words[words.index("of") + 1 : words.index("from")], int(words[-1])
    levels = [start]
    for character in value:
        for pair in kinds:
            if character in pair:
                levels.append(levels[-1] + (1 if character == pair[0] else -1))
    return max(levels) if words[0] == "deepest" else min(levels)


def _list(phrase: str, words: list[str], items: list[Any]) -> Any:
    plain = re.sub(r"\d+", "K", phrase)
    k = next((int(word) for word in words if word.isdigit()), 0)
    if plain.startswith("remove duplicates"):
        return _unique(plain, items)
    if plain.startswith("running"):
        row, state = [], k
        for item in items:
            state = state + item if "sum" in plain else item if item > state else state
            row.append(state)
        return row
    if plain.startswith("each"):
        return [_compute(words[1], item, k) for item in items]
    if "palindrome" in plain:
        pairs = [(items[i], items[len(items) - 1 - i]) for i in range(len(items))]
        gaps = [max(p) - min(p) for p in pairs]
        return sum(gaps) if "distance" in plain else len(gaps) - gaps.count(0)
    turned = [items[i] for i in range(len(items) - 1, -1, -1)]
    half = items[:k] if "first" in plain else items[k:]
    flipped = [half[i] for i in range(len(half) - 1, -1, -1)]
    answers = {
        "skip K": lambda: [x for i, x in enumerate(items) if i >= k],
        "take K": lambda: [x for i, x in enumerate(items) if i < k],
        "drop last K": lambda: [x for i, x in enumerate(items) if i < len(items) - k],
        "reverse": lambda: turned,
        "reverse all": lambda: turned,
        "reverse first K": lambda: flipped + items[k:],
        "reverse after K": lambda: items[:k] + flipped,
        "sort": lambda: _insertion_sort(items),
        "append K": lambda: [*items, k],
        "prepend K": lambda: [k, *items],
        "keep above K": lambda: [x for x in items if not x <= k],
        "keep below K": lambda: [x for x in items if not x >= k],
        "count above K": lambda: len(items) - len([x for x in items if x <= k]),
        "count below K": lambda: len(items) - len([x for x in items if x >= k]),
        "largest including K": lambda: _insertion_sort([*items, k])[-1],
        "smallest including K": lambda: _insertion_sort([*items, k])[0],
    }
    return answers[plain]()


def _unique(plain: str, items: list[int]) -> list[int]:
    row: list[int] = []
    for item in reversed(items) if plain.endswith("last") else items:
        if item not in row:
            row.append(item)
    if plain.endswith("last"):
        row.reverse()
    return _insertion_sort(row) if plain.endswith("sort") else row


def _insertion_sort(items: list[int]) -> list[int]:
    """Insertion sort, duplicates kept."""
    row: list[int] = []
    for item in items:
        place = sum(other <= item for other in row)
        row.insert(place, item)
    return row
