r"""What a mathematical answer is made of: numbers with units, words, lists, points, intervals.

``read`` takes a text apart as far as its meaning needs; what is left (``2\sqrt{13}``) is algebra.
"""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction

from stages.suites.maths.canonical import canonical, closing
from stages.suites.maths.literals import literal
from stages.suites.maths.units import DEGREE, PERCENT, Unit, is_unit, read_unit

MAX_DEPTH = 4


@dataclasses.dataclass(frozen=True)
class Number:
    """An exact number, with its unit where one is written."""

    value: Fraction
    unit: Unit | None = None


@dataclasses.dataclass(frozen=True)
class Words:
    """A name, a choice or a sentence; compared as text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Algebra:
    """An expression, canonical LaTeX; with its unit where one is written."""

    text: str
    unit: Unit | None = None


@dataclasses.dataclass(frozen=True)
class Based:
    """Digits in a named base."""

    digits: str
    base: int


@dataclasses.dataclass(frozen=True)
class Equation:
    """Two sides and one sign of equality between them."""

    left: Value
    right: Value
    text: str

    @property
    def name(self) -> str:
        """What the left side calls the right one; empty when it is no name."""
        text = self.left.text if isinstance(self.left, Words | Algebra) else ""
        return text if _NAME.fullmatch(text) else ""


@dataclasses.dataclass(frozen=True)
class Group:
    """Parts under a bracket: ``()``, ``[)`` ..., ``list``, ``set``, ``union``, ``row``, ``matrix``.

    A list and a union have no order, and a set holds each element once.
    """

    kind: str
    parts: tuple[Value, ...]


Value = Number | Words | Algebra | Based | Equation | Group

_NAME = re.compile(r"[a-zA-Z](?:_\{\w+\}|'*)(?:\([a-z](?:,\s*[a-z])*\))?|\\[a-z]+|[A-Za-z ]{2,}")
_AND = re.compile(r"(?:\\text\{)?\s*(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])\s*\}?")
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_UNIT_TEXT = re.compile(r"(?P<rest>.*?\S)\s*(?P<unit>\\text\{[^{}]*\}\s*(?:\^\{[23]\})?)")
_UNIT_WORDS = re.compile(r"(?P<rest>.*?[\d})])\s+(?P<unit>[a-zA-Z][a-zA-Z ./]*(?:\^\{[23]\})?)")
_UNIT_TIGHT = re.compile(r"(?P<rest>[\d.,]+)(?P<unit>[a-zA-Z]{2,}(?:\^\{[23]\})?)")
_BASED = re.compile(r"([0-9A-Z]+)_\{(\d+)\}")
_MATRIX = re.compile(r"\\begin\{([pbB]?(?:small)?matrix)\}(.*)\\end\{\1\}", re.DOTALL)
_MEMBER = re.compile(r"[a-zA-Z]\s*\\in(?![a-zA-Z])\s*(.+)")
_ORDER = re.compile(r"<|>|\\le(?![a-zA-Z])|\\ge(?![a-zA-Z])")
_VARIABLE = re.compile(r"[a-zA-Z]")
_LETTERS = re.compile(r"(?<!\\)[a-zA-Z]{2,}")
_FUNCTIONS = frozenset(
    ["sin", "cos", "tan", "sec", "csc", "cot", "log", "ln", "exp", "max", "min", "gcd", "lcm"]
)


def read_answer(text: str) -> Value | None:
    """What ``text`` says; None when it says nothing."""
    text = canonical(text)
    bare = _TEXT.sub(r"\1", text)
    return _read(text, 0) if re.search(r"\w|\\infty|\\\{", bare) else None


def _read(text: str, depth: int) -> Value:
    text = text.strip()
    if (value := _measured(text)) is not None:
        return value
    if depth < MAX_DEPTH:
        for reader in (_matrix, _union, _inequality, _plus_minus, _list, _bracketed, _equation):
            if (group := reader(text, depth + 1)) is not None:
                return group
    if found := _BASED.fullmatch(text):
        return Based(found[1], int(found[2]))
    if _is_words(text):
        return Words(" ".join(_TEXT.sub(r"\1", text).split()).strip(" .()"))
    return _algebra(text)


def _measured(text: str) -> Number | None:
    """A literal with or without a unit."""
    if (value := literal(text)) is not None:
        return Number(value)
    if text.startswith(("\\$", "$")):
        value = literal(text.lstrip("\\$"))
        return None if value is None else Number(value, Unit(("dollar",)))
    rest, unit = _split_unit(text)
    value = literal(rest) if unit is not None else None
    return None if value is None else Number(value, unit)


def _split_unit(text: str) -> tuple[str, Unit | None]:
    """The text before a unit, and the unit; the whole text when none is recognised."""
    for ending, name in ((r"\%", PERCENT), (r"^{\circ}", DEGREE)):
        if text.endswith(ending):
            return text[: -len(ending)].strip(), Unit((name,))
    if found := _UNIT_TEXT.fullmatch(text):
        unit = read_unit(_TEXT.sub(r"\1", found["unit"]))
        return found["rest"], unit
    found = _UNIT_WORDS.fullmatch(text) or _UNIT_TIGHT.fullmatch(text)
    if found and (literal(found["rest"]) is not None or is_unit(found["unit"])):
        return found["rest"], read_unit(found["unit"])
    return text, None


def _algebra(text: str) -> Algebra:
    rest, unit = _split_unit(text)
    money = rest.removeprefix("\\$")
    if unit is None and money != rest:
        unit = Unit(("dollar",))
    return Algebra(_TEXT.sub(r"\1", money).replace(" ", "") if unit else _bare(money), unit)


def _bare(text: str) -> str:
    return " ".join(_TEXT.sub(r"\1", text).split())


def _matrix(text: str, depth: int) -> Group | None:
    found = _MATRIX.fullmatch(text)
    if found is None or r"\begin" in found[2]:
        return None
    rows = [row for row in found[2].split(r"\\") if row.strip()]
    return Group(
        "matrix",
        tuple(Group("row", tuple(_read(cell, depth) for cell in row.split("&"))) for row in rows),
    )


def _union(text: str, depth: int) -> Group | None:
    parts = _split(text, re.compile(r"\\cup(?![a-zA-Z])"))
    if len(parts) > 1:
        return Group("union", tuple(_read(part, depth) for part in parts))
    found = _MEMBER.fullmatch(text)
    inner = _read(found[1], depth) if found else None
    return inner if isinstance(inner, Group) else None


def _inequality(text: str, depth: int) -> Group | None:
    """``x > 3`` and ``1 \\le x < 3`` as intervals."""
    signs = [found[0].strip() for found in _ORDER.finditer(text)]
    sides = [side.strip() for side in _ORDER.split(text)]
    if not signs or len(signs) > 2 or any(_split(side, _COMMA)[1:] for side in sides):
        return None
    if signs[0] in (">", r"\ge"):
        turned = {">": "<", r"\ge": r"\le", "<": ">", r"\le": r"\ge"}
        signs, sides = [turned[sign] for sign in reversed(signs)], sides[::-1]
    if any(sign not in ("<", r"\le") for sign in signs):
        return None
    if len(signs) == 1:
        first = bool(_VARIABLE.fullmatch(sides[0]))
        sides = [r"-\infty", *sides] if first else [*sides, r"\infty"]
        signs = ["<", *signs] if first else [*signs, "<"]
    low, variable, high = sides
    bounds = re.sub(r"\\[a-zA-Z]+", "", low + high)
    if not _VARIABLE.fullmatch(variable) or _VARIABLE.search(bounds):
        return None
    kind = ("[" if signs[0] == r"\le" else "(") + ("]" if signs[1] == r"\le" else ")")
    return Group(kind, (_read(low, depth), _read(high, depth)))


def _plus_minus(text: str, depth: int) -> Group | None:
    if len(re.findall(r"\\pm(?![a-zA-Z])", text)) != 1 or _split(text, _COMMA)[1:]:
        return None
    both = (re.sub(r"\\pm(?![a-zA-Z])\s*", sign, text) for sign in ("+", "-"))
    return Group("list", tuple(_read(part.removeprefix("+"), depth) for part in both))


def _list(text: str, depth: int) -> Group | None:
    if text.startswith(r"\text{") and text.endswith("}") and text.count("{") == 1:
        text = text[len(r"\text{") : -1]
    elif not (r"\text" not in text and _is_words(text)):
        text = _AND.sub(",", text)
    parts = [part for part in _split(text, _LIST_COMMA) if part.strip()]
    if len(parts) < 2:
        return None
    return Group("list", tuple(_read(part, depth) for part in parts))


def _bracketed(text: str, depth: int) -> Value | None:
    if text.startswith(r"\{") and text.endswith(r"\}"):
        inside = text[2:-2]
        parts = _split(inside, _COMMA) if inside.strip() else []
        return Group("set", tuple(_read(part, depth) for part in parts))
    if text[:1] not in ("(", "[") or closing(text, 0) != len(text) - 1:
        return None
    parts = _split(text[1:-1], _COMMA)
    if len(parts) == 1 and text[0] + text[-1] == "()":
        return _read(parts[0], depth)
    if len(parts) == 1:
        return None
    return Group(text[0] + text[-1], tuple(_read(part, depth) for part in parts))


def _equation(text: str, depth: int) -> Equation | None:
    sides = _split(text, re.compile(r"(?<![<>!])=(?!=)"))
    if len(sides) != 2 or not all(side.strip() for side in sides):
        return None
    left, right = (_read(side, depth) for side in sides)
    return Equation(left, right, _bare(text))


_COMMA = re.compile(r"[,;]")
_LIST_COMMA = re.compile(r"(?<!\d),|,(?!\d{3}(?!\d))|;")


def _split(text: str, pattern: re.Pattern[str]) -> list[str]:
    """``text`` cut at the matches that stand outside every bracket."""
    parts, begin, place = [], 0, 0
    while place < len(text):
        if text[place] in "([{":
            place = max(closing(text, place), place)
        elif found := pattern.match(text, place):
            parts.append(text[begin:place])
            begin = place = found.end()
            continue
        place += 1
    return [*parts, text[begin:]]


def _is_words(text: str) -> bool:
    """Whether the text is language: a choice, a name, a sentence; no formula."""
    bare = _TEXT.sub(r"\1", text)
    if r"\text{" in text and re.fullmatch(r"[\w\s.,:'()-]*[a-zA-Z][\w\s.,:'()-]*", bare):
        return True
    if re.search(r"[\\^_=+{}]", bare):
        return False
    return any(len(w) > 3 and w.casefold() not in _FUNCTIONS for w in _LETTERS.findall(bare))
