"""Issues of a world: what is asked, the buggy function, the fixed one, and its hidden tests.

A function has up to three places where a fix may be needed: its guard line, its return line and
its alias line. Easy issues change the return line as the text says; medium issues need one
convention, hard ones two, each at its own place, so a hard fix takes two edits.
"""

from __future__ import annotations

import dataclasses
import operator
import random
from collections.abc import Sequence
from typing import Any

from stages.suites.microrepo.conventions import Conventions, fixed_line

DIFFICULTIES = ("easy", "medium", "hard")
DIFFICULTY_WEIGHTS = (0.28, 0.44, 0.28)
OPERATORS = (("add", "+"), ("subtract", "-"), ("multiply", "*"))
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
INPUTS = ((9, 4), (3, 8))
"""Arguments of a plain function's tests: two, with other results, so that no literal passes."""
PLAIN_KINDS = ("operator", "constant", "variable", "compare")
RETURN_KINDS = ("rounding", "unit", "index", "wrapper")
MEDIUM_KINDS = ("guard", *RETURN_KINDS, "naming")


@dataclasses.dataclass(frozen=True)
class Change:
    """One line to be changed and what it must become."""

    find: str
    replace: str
    convention: str = ""


@dataclasses.dataclass(frozen=True)
class Draft:
    """A function before and after the fix, the wish in words, and the tests' bodies.

    ``hidden`` and ``visible`` map a test's name to the lines of its body.
    """

    function: str
    wish: str
    difficulty: str
    kinds: tuple[str, ...]
    before: tuple[str, ...]
    changes: tuple[Change, ...]
    hidden: tuple[tuple[str, str], ...]
    visible: tuple[tuple[str, str], ...]

    @property
    def after(self) -> tuple[str, ...]:
        fixed = {change.find: change.replace for change in self.changes}
        return tuple(fixed.get(line, line) for line in self.before)


@dataclasses.dataclass
class _Parts:
    """What a draft is put together from, place by place."""

    header: str
    guard: str = ""
    result: str = ""
    alias: str = ""
    wishes: list[str] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    hidden: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    visible: list[tuple[str, str]] = dataclasses.field(default_factory=list)


def draft_issue(
    conventions: Conventions,
    function: str,
    parameters: tuple[str, str],
    rng: random.Random,
    kinds: tuple[str, ...] = (),
) -> Draft:
    """Draft one issue for ``function``; ``kinds`` fixes what is asked, else it is drawn."""
    kinds = kinds or draw_kinds(rng)
    first, second = parameters
    signature = "items, n" if "index" in kinds else f"{first}, {second}"
    parts = _Parts(header=f"def {function}({signature}):")
    for kind in kinds:
        if kind == "guard":
            _guard(parts, conventions, function, "n" if "index" in kinds else first)
        elif kind == "naming":
            _naming(parts, conventions, function)
        elif kind in RETURN_KINDS:
            _convention_result(parts, kind, conventions, function, parameters, rng)
        else:
            _plain_result(parts, kind, function, parameters, rng)
    if not parts.result:
        _sound_result(parts, function, parameters, rng)
    lines = (parts.header, parts.guard, parts.result, parts.alias)
    difficulty = "easy" if kinds[0] in PLAIN_KINDS else DIFFICULTIES[len(kinds)]
    return Draft(
        function=function,
        wish=f"{function} must {' and '.join(parts.wishes)}",
        difficulty=difficulty,
        kinds=kinds,
        before=tuple(line for line in lines if line),
        changes=tuple(parts.changes),
        hidden=tuple(parts.hidden),
        visible=tuple(parts.visible),
    )


def draw_kinds(rng: random.Random) -> tuple[str, ...]:
    """Draw a difficulty and the kinds of change that make it."""
    difficulty = rng.choices(DIFFICULTIES, DIFFICULTY_WEIGHTS)[0]
    if difficulty == "easy":
        return (rng.choice(PLAIN_KINDS),)
    if difficulty == "medium":
        return (rng.choice(MEDIUM_KINDS),)
    first = rng.choice(("guard", "result", "naming"))
    result = rng.choice(RETURN_KINDS)
    return {"guard": ("guard", result), "result": (result, "naming")}.get(
        first, ("guard", "naming")
    )


def _guard(parts: _Parts, conventions: Conventions, function: str, parameter: str) -> None:
    action = conventions.values["guard"]
    parts.guard = f"    if {parameter} < 0: pass"
    parts.changes.append(_change("guard", conventions, parts.guard))
    parts.wishes.append(f"reject negative {parameter}")
    arguments = "[3, 5, 7, 9, 11], -1" if parameter == "n" else "-4, 2"
    kind, _, value = action.partition(" ")
    body = (
        f"    try:\n        got = {function}({arguments})\n"
        "    except Exception as error:\n        got = type(error)\n"
        f"    assert got is {value}"
    )
    if kind == "return" and value != "None":
        body = f"    assert {function}({arguments}) == {value}"
    parts.hidden.append((f"test_{function}_guard", body))


def _naming(parts: _Parts, conventions: Conventions, function: str) -> None:
    name = f"{conventions.values['naming']}_{function}"
    parts.alias = f"alias = {function}"
    parts.changes.append(_change("naming", conventions, parts.alias))
    parts.wishes.append("have the house alias")
    parts.hidden.append((f"test_{function}_alias", f"    assert {{module}}.{name} is {function}"))


def _convention_result(
    parts: _Parts,
    kind: str,
    conventions: Conventions,
    function: str,
    parameters: tuple[str, str],
    rng: random.Random,
) -> None:
    first, second = parameters
    value = conventions.values[kind]
    if kind == "rounding":
        old = f"{first} {rng.choice('+-*')} {second}"
        wish = "be rounded"
        cases = [_apply(old, first, second, pair) for pair in ((2.71828, 1), (1.6666, 2))]
        checks = [(pair, _round(value, raw)) for pair, raw in cases]
    elif kind == "unit":
        old = first
        wish = "use house units"
        sign, number = value.split()[1:]
        checks = [((x, 2), x * int(number) if sign == "*" else x / int(number)) for x in (30, 7)]
    elif kind == "index":
        old, wish = "items[n]", "pick entry n"
        items = [3, 5, 7, 9, 11, 13, 17]
        checks = [((items, n), items[_position(value, n)]) for n in (2, 3)]
    else:
        old = f"{first} / {second}"
        wish = f"allow zero {second}"
        checks = [((6, 0), 0), ((6, 3), 2.0)]
    parts.result = f"    return {old}"
    parts.changes.append(_change(kind, conventions, parts.result))
    parts.wishes.append(wish)
    body = _asserts(function, checks)
    if kind != "wrapper":  # which may give 0 or 0.0
        body += "".join(
            f"\n    assert type({_call(function, args)}) is {type(want).__name__}"
            for args, want in checks
        )
    parts.hidden.append((f"test_{function}_{kind}", body))
    parts.visible.append(_smoke(kind, function))


def _change(kind: str, conventions: Conventions, find: str) -> Change:
    return Change(find, fixed_line(kind, conventions.values[kind], find), kind)


def _smoke(kind: str, function: str) -> tuple[str, str]:
    """A visible test that holds before and after the fix: it must not give the convention away."""
    call = {"index": "[4] * 9, 2", "wrapper": "6, 3"}.get(kind, "4, 2")
    return f"test_{function}", f"    assert {function}({call}) is not None"


def _plain_result(
    parts: _Parts, kind: str, function: str, parameters: tuple[str, str], rng: random.Random
) -> None:
    first, second = parameters
    if kind == "operator":
        wrong, (word, sign) = _two(OPERATORS, rng)
        old, new = f"{first} {wrong[1]} {second}", f"{first} {sign} {second}"
        wish = f"{word} {first} and {second}"
        wants = [ARITHMETIC[sign](*pair) for pair in INPUTS]
    elif kind == "constant":
        wrong_number, number = rng.sample(range(2, 10), 2)
        old, new = f"{first} + {wrong_number}", f"{first} + {number}"
        wish, wants = f"add {number}", [x + number for x, _ in INPUTS]
    elif kind == "variable":
        old, new = first, second
        wish, wants = f"return {second}", [y for _, y in INPUTS]
    else:
        (word, sign), (_, other) = _two((("more", ">"), ("less", "<")), rng)
        old, new = f"{first} {other} {second}", f"{first} {sign} {second}"
        wish = f"tell if {first} is {word} than {second}"
        wants = [x > y if sign == ">" else x < y for x, y in INPUTS]
    parts.result = f"    return {old}"
    parts.changes.append(Change(parts.result, f"    return {new}"))
    parts.wishes.append(wish)
    checks = list(zip(INPUTS, wants, strict=True))
    parts.hidden.append((f"test_{function}_result", _asserts(function, checks)))
    parts.visible.append(_smoke(kind, function))


def _sound_result(
    parts: _Parts, function: str, parameters: tuple[str, str], rng: random.Random
) -> None:
    first, second = parameters
    sign = rng.choice("+-*")
    parts.result = f"    return {first} {sign} {second}"
    checks = [(pair, ARITHMETIC[sign](*pair)) for pair in INPUTS]
    parts.visible.append((f"test_{function}", _asserts(function, checks)))


def _asserts(function: str, checks: Sequence[tuple[tuple[Any, Any], Any]]) -> str:
    """One assertion per pair of arguments and result."""
    return "\n".join(f"    assert {_call(function, args)} == {want!r}" for args, want in checks)


def _call(function: str, arguments: tuple[Any, Any]) -> str:
    return f"{function}({arguments[0]!r}, {arguments[1]!r})"


def _two(options: tuple[tuple[str, str], ...], rng: random.Random) -> list[tuple[str, str]]:
    return rng.sample(options, 2)


def _apply(
    expression: str, first: str, second: str, pair: tuple[float, float]
) -> tuple[tuple[float, float], float]:
    sign = expression[len(first) + 1]
    return pair, ARITHMETIC[sign](*pair)


def _round(value: str, raw: float) -> float:
    if value.startswith("int"):
        return int(raw)
    digits = value.partition(", ")[2].rstrip(")")
    return round(raw, int(digits)) if digits else round(raw)


def _position(value: str, n: int) -> int:
    return {
        "n - 1": n - 1,
        "n + 1": n + 1,
        "n - 2": n - 2,
        "n + 2": n + 2,
        "-n": -n,
        "n * 2": n * 2,
    }[value]
