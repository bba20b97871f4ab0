"""Number words among tokens become numbers: one hundred and eighty, three and a half, 8 million."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

_UNITS = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {"nought": 0, "nil": 0}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
} | {"fourty": 40}
_SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_SMALL = _UNITS | _TENS
_BEFORE_PRONOUN = frozenset(
    ["the", "this", "that", "no", "which", "any", "every", "another", "each"]
)
_AFTER_PRONOUN = frozenset(["of", "that", "who", "which", "can"])


def merged(tokens: Sequence[str]) -> list[str]:
    """The tokens with every number, in digits or words, as one ``#value`` token."""
    found: list[str] = []
    place = 0
    while place < len(tokens):
        value, end = _number(tokens, place)
        if value is None:
            found.append(tokens[place])
            place += 1
        else:
            found.append(f"#{_signed(found, value)}")
            place = end
    return found


def _number(tokens: Sequence[str], place: int) -> tuple[Fraction | None, int]:
    """Value and end of the number that starts at ``place``; None where there is none."""
    value, end = _cardinal(tokens, place)
    if value is None:
        return None, place
    rest = tuple(tokens[end : end + 3])
    if rest[:1] == ("point",) and rest[1:] and (digit := _UNITS.get(rest[1], 10)) < 10:
        return value + Fraction(digit, 10), end + 2
    for half in (("and", "a", "half"), ("and", "one", "half"), ("and", "half")):
        if tuple(tokens[end : end + len(half)]) == half:
            return value + Fraction(1, 2), end + len(half)
    if rest[:1] and rest[0].startswith("#") and value.denominator == 1 and value >= 0:
        fraction = Fraction(rest[0][1:])
        if 0 < fraction < 1 and fraction.denominator > 1:  # 3 1/2
            return value + fraction, end + 1
    if rest[:1] in (("percent",), ("pct",)) or rest[:2] == ("per", "cent"):
        return value / 100, end + (2 if rest[0] == "per" else 1)
    if rest[:1] == ("/",) and rest[1:] and rest[1].startswith("#") and Fraction(rest[1][1:]):
        return value / Fraction(rest[1][1:]), end + 2
    return value, end


def _cardinal(tokens: Sequence[str], place: int) -> tuple[Fraction | None, int]:
    if tokens[place].startswith("#"):
        return _scaled(tokens, place + 1, Fraction(tokens[place][1:]))
    if tokens[place] == "a" and place + 1 < len(tokens) and tokens[place + 1] in _SCALES:
        return _worded(tokens, place + 1)
    if tokens[place] == "one" and _is_pronoun(tokens, place):
        return None, place
    return _worded(tokens, place)


def _scaled(tokens: Sequence[str], end: int, value: Fraction) -> tuple[Fraction, int]:
    while end < len(tokens) and tokens[end] in _SCALES:
        value, end = value * _SCALES[tokens[end]], end + 1
    return value, end


def _worded(tokens: Sequence[str], place: int) -> tuple[Fraction | None, int]:
    """Reads as far as the words go on with one number: eight nine are two, nineteen ten a year."""
    total, current, end = 0, None, place
    while end < len(tokens):
        word = tokens[end]
        if word in _SMALL:
            joined = _joined(current, _SMALL[word])
            if joined is None:
                break
            current = joined
        elif word in _SCALES:
            scaled = (1 if current is None else current) * _SCALES[word]
            if _SCALES[word] >= 1000:
                total, current = total + scaled, 0
            else:
                current = scaled
        elif not (word == "and" and _goes_on(tokens, end, total, current)):
            break
        end += 1
    return (None, place) if end == place else (Fraction(total + (current or 0)), end)


def _joined(current: int | None, small: int) -> int | None:
    """``current`` said before ``small``, as one number; None where they are two."""
    if not current:
        return small if current is None or small else None
    if current % 100 == 0 or (current % 100 >= 20 and current % 10 == 0 and 1 <= small <= 9):
        return current + small
    return current * 100 + small if 11 <= current <= 20 and small >= 10 else None


def _goes_on(tokens: Sequence[str], end: int, total: int, current: int | None) -> bool:
    following = tokens[end + 1 : end + 2]
    big = bool(current and current % 100 == 0) or bool(total and not current)
    return big and bool(following) and following[0] in _SMALL


def _is_pronoun(tokens: Sequence[str], place: int) -> bool:
    before, after = tokens[place - 1 : place], tokens[place + 1 : place + 2]
    return bool((before and before[0] in _BEFORE_PRONOUN) or (after and after[0] in _AFTER_PRONOUN))


def _signed(found: list[str], value: Fraction) -> Fraction:
    """Takes a spoken sign off ``found``; after a number, minus is a subtraction."""
    if not found or found[-1] not in ("minus", "negative"):
        return value
    if len(found) > 1 and found[-2].startswith("#"):
        return value
    found.pop()
    return -value
