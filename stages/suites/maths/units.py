"""Units behind a number: the same under any spelling, converted where the answer uses another.

Whatever is counted is a unit too ('575 students'). An answer may leave the unit out, and so may
the truth; where both name one, they must agree.
"""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction

PERCENT, DEGREE = "%", "degree"
_SAME = {
    "dollar": ("dollars", "usd", "$"),
    "cent": ("cents", "pennies", "penny"),
    "foot": ("feet", "ft"),
    "inch": ("inches", "in"),
    "yard": ("yards", "yd", "yds"),
    "mile": ("miles", "mi"),
    "meter": ("meters", "metre", "metres", "m"),
    "centimeter": ("centimeters", "centimetre", "centimetres", "cm"),
    "millimeter": ("millimeters", "millimetre", "millimetres", "mm"),
    "kilometer": ("kilometers", "kilometre", "kilometres", "km"),
    "second": ("seconds", "sec", "secs", "s"),
    "minute": ("minutes", "min", "mins"),
    "hour": ("hours", "hr", "hrs", "h"),
    "pound": ("pounds", "lb", "lbs"),
    "ounce": ("ounces", "oz"),
    "gram": ("grams", "g"),
    "kilogram": ("kilograms", "kg"),
    "liter": ("liters", "litre", "litres", "l"),
    "degree": ("degrees",),
}
_NAMES = {word: name for name, words in _SAME.items() for word in (name, *words)}
_SIZES = {
    "dollar": ("dollar", Fraction(1)),
    "cent": ("dollar", Fraction(1, 100)),
    "inch": ("inch", Fraction(1)),
    "foot": ("inch", Fraction(12)),
    "yard": ("inch", Fraction(36)),
    "mile": ("inch", Fraction(63360)),
    "millimeter": ("meter", Fraction(1, 1000)),
    "centimeter": ("meter", Fraction(1, 100)),
    "meter": ("meter", Fraction(1)),
    "kilometer": ("meter", Fraction(1000)),
    "second": ("second", Fraction(1)),
    "minute": ("second", Fraction(60)),
    "hour": ("second", Fraction(3600)),
    "ounce": ("ounce", Fraction(1)),
    "pound": ("ounce", Fraction(16)),
    "gram": ("gram", Fraction(1)),
    "kilogram": ("gram", Fraction(1000)),
}
_POWER = re.compile(r"\s*\^\{?([23])\}?$")
_SPELLED = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
_PER = {"mph": ("mile", "hour"), "kph": ("kilometer", "hour"), "kmh": ("kilometer", "hour")}


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit or a thing counted: ``words`` to the power ``exponent``, per the words of ``per``."""

    words: tuple[str, ...]
    exponent: int = 1
    per: tuple[str, ...] = ()


def read_unit(text: str) -> Unit | None:
    """The unit that ``text`` names; None when there are no words in it."""
    text = text.strip(" .").casefold()
    exponent = 1
    if power := _POWER.search(text):
        text, exponent = text[: power.start()].strip(" ."), int(power[1])
    above, _, below = text.replace("/", " per ").partition(" per ")
    words = re.findall(r"[a-z$%]+", above)
    while words and words[0] in _SPELLED:
        exponent = _SPELLED[words.pop(0)]
    if words in ([name] for name in _PER) and not below:
        top, bottom = _PER[words[0]]
        return Unit((top,), exponent, (bottom,))
    names = tuple(_name(word) for word in words if word != "of")
    below_names = tuple(map(_name, re.findall(r"[a-z]+", below)))
    return Unit(names, exponent, below_names) if names else None


def factor(answer: Unit, truth: Unit) -> Fraction | None:
    """What one ``answer`` unit is in ``truth`` units; None when they measure different things.

    A longer name of the same thing agrees: 'tickets' and 'children tickets'.
    """
    if answer.exponent != truth.exponent or answer.per != truth.per:
        return None
    sizes = [_SIZES.get(unit.words[0]) for unit in (answer, truth) if len(unit.words) == 1]
    if len(sizes) == 2 and sizes[0] and sizes[1] and sizes[0][0] == sizes[1][0]:
        return (sizes[0][1] / sizes[1][1]) ** truth.exponent
    shorter, longer = sorted((set(answer.words), set(truth.words)), key=len)
    return Fraction(1) if shorter <= longer else None


def is_unit(word: str) -> bool:
    """Whether a plain word behind a number is a known unit."""
    return word.casefold() in _NAMES


def _name(word: str) -> str:
    """One name for all spellings, and the singular of a thing counted."""
    if word in _NAMES:
        return _NAMES[word]
    if re.search(r"(?:x|ss|ch|sh)es$", word):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
