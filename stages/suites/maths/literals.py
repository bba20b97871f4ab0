r"""Numbers as they are written, read exactly: decimals, fractions, mixed, repeating, scientific.

Only a literal is a number: ``6+99\cdot 4`` is a task, and the answer to it is 402.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_EXPONENT = 400
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)"
_DECIMAL = re.compile(
    rf"(?P<whole>{_DIGITS})?(?:\.(?P<decimals>\d*)(?:\\overline\{{(?P<repeats>\d+)\}})?)?"
)
_OVER = re.compile(r"\\frac\{(?P<top>[^{}]*)\}\{(?P<below>[^{}]*)\}")
_SLASH = re.compile(r"(?P<top>[^/]+)/(?P<below>[^/]+)")
_MIXED = re.compile(
    rf"(?P<whole>{_DIGITS})\s*(?P<part>\\frac\{{\d+\}}\{{\d+\}})"
    rf"|(?P<plain>{_DIGITS})\s+(?P<slash>\d+\s*/\s*\d+)"
)
_POWER = re.compile(
    r"(?P<base>.*?)(?:[eE](?P<short>[+-]?\d{1,3})|"
    r"(?P<times>\\(?:times|cdot)|[xX])?\s*10\s*\^\{(?P<long>-?\d{1,3})\})"
)


def literal(text: str) -> Fraction | None:
    """The exact value of a canonical text that is one number; None for any other text."""
    text = text.strip()
    sign = 1
    while text[:1] in ("+", "-"):
        sign, text = (-sign if text[0] == "-" else sign), text[1:].strip()
    # In brackets a comma separates coordinates.
    while text.startswith("(") and text.endswith(")") and text.count("(") == 1 and "," not in text:
        value = literal(text[1:-1])
        return None if value is None else sign * value
    for read in (_decimal, _mixed, _ratio, _scientific):
        value = read(text)
        if value is not None:
            return sign * value
    return None


def _decimal(text: str) -> Fraction | None:
    found = _DECIMAL.fullmatch(text)
    if found is None or not any(found.groupdict().values()):
        return None
    whole = (found["whole"] or "0").replace(",", "")
    decimals, repeats = found["decimals"] or "", found["repeats"]
    value = Fraction(int(whole + decimals), 10 ** len(decimals))
    if repeats:
        value += Fraction(int(repeats), (10 ** len(repeats) - 1) * 10 ** len(decimals))
    return value


def _ratio(text: str) -> Fraction | None:
    found = _OVER.fullmatch(text) or _SLASH.fullmatch(text)
    if found is None:
        return None
    top, below = (_signed_decimal(found[name]) for name in ("top", "below"))
    return top / below if top is not None and below else None


def _signed_decimal(text: str) -> Fraction | None:
    text = text.strip()
    bare = text.removeprefix("-").strip()
    value = _decimal(bare)
    return value if value is None or bare == text else -value


def _mixed(text: str) -> Fraction | None:
    found = _MIXED.fullmatch(text)
    if found is None:
        return None
    part = _ratio(found["part"] or found["slash"])
    whole = _decimal(found["whole"] or found["plain"])
    return None if part is None or whole is None else whole + part


def _scientific(text: str) -> Fraction | None:
    found = _POWER.fullmatch(text)
    if found is None:
        return None
    base = found["base"].strip()
    if bool(base) != bool(found["times"] or found["short"]):
        return None
    exponent = int(found["short"] or found["long"])
    value = _decimal(base) if base else Fraction(1)
    if value is None or abs(exponent) > MAX_EXPONENT:
        return None
    return value * Fraction(10) ** exponent
