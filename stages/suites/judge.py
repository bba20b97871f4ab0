"""Whether a short free-text answer is the true one: trivia and sums, never by running anything.

Text is compared whole, after Unicode NFKC, case folding and removal of LaTeX wrappers; numbers are
compared exactly, as fractions, whatever format they are written in. An answer that contains the
truth among other words is not right: 'not Paris' holds 'Paris'.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

_WRAPPERS = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf|mathit|operatorname|fbox)\s*\{")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_SPACES = re.compile(r"\\(?:left|right|displaystyle|quad|qquad|[,;:! ])")
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?:\$|€|£)?(?P<whole>\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?P<decimals>\.\d*)?"
    r"(?:e(?P<exponent>[+-]?\d{1,3}))?"
)
_POWER_OF_TEN = re.compile(r"\s*(?:x|\*|·)\s*10\s*\^?\s*\{?([+-]?\d{1,3})\}?")
_LEADING = re.compile(r"(?:the final answer is|the answer is|answer:|the|an|a)\s+", re.IGNORECASE)
_DASHES = str.maketrans({"−": "-", "–": "-", "‐": "-", "×": "x", "’": "'", "“": '"', "”": '"'})  # noqa: RUF001
_EDGES = " \t\n,;:!?\"'`*_"
_END = _EDGES + "."  # a number may begin with a point


def is_right(answer: str, truth: str) -> bool:
    """Whether ``answer`` says the same as ``truth``; an empty answer never does."""
    left, right = normalised(answer), normalised(truth)
    if not left:
        return False
    numbers = number(left), number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    return left == right


def normalised(text: str) -> str:
    """NFKC, one kind of dash and quote, without LaTeX wrappers, articles and edge marks; folded."""
    text = _without_latex(text.translate(_DASHES))
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    text = (
        " ".join(text.replace("\N{FRACTION SLASH}", "/").split())
        .casefold()
        .strip(_EDGES)
        .rstrip(_END)
    )
    while (shorter := _LEADING.sub("", text, count=1) if _LEADING.match(text) else text) != text:
        text = shorter.strip(_EDGES)
    return text


def number(text: str) -> Fraction | None:
    """The exact value of a whole text that is one number; None for any other text.

    Reads 1,234.5, 1.2e3, 1.2 x 10^3, 3/4, 50% and a currency sign before the digits. A comma that
    doesn't group thousands is no number: 3,14 could be a decimal or a pair.
    """
    if text.endswith("%"):
        value = number(text[:-1].rstrip())
        return None if value is None else value / 100
    over = [part.strip() for part in text.split("/")]
    if len(over) == 2:
        top, bottom = (_plain(part) for part in over)
        return top / bottom if top is not None and bottom else None
    return _plain(text)


def _plain(text: str) -> Fraction | None:
    power = _POWER_OF_TEN.search(text)
    exponent = 0
    if power is not None and power.end() == len(text):
        text, exponent = text[: power.start()].strip(), int(power.group(1))
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    digits = (found["whole"] or "0").replace(",", "") + (found["decimals"] or "").rstrip(".")
    value = Fraction(digits) * Fraction(10) ** (int(found["exponent"] or 0) + exponent)
    return -value if found["sign"] == "-" else value


def _without_latex(text: str) -> str:
    for mark in ("\\(", "\\)", "\\[", "\\]", "$$"):
        text = text.replace(mark, " ")
    text = text.strip().replace("\\%", "%").replace("\\$", "$")
    if len(text) > 1 and text.startswith("$") and text.endswith("$"):
        text = text[1:-1]
    text = _SPACES.sub("", text.replace("\\times", "x").replace("\\cdot", "x"))
    while (found := _WRAPPERS.search(text)) is not None:
        end = _closing(text, found.end())
        text = text[: found.start()] + text[found.end() : end] + text[end + 1 :]
    return _FRACTION.sub(r"\1/\2", text)


def _closing(text: str, start: int) -> int:
    """Place of the brace that closes the one before ``start``; the text's end without one."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)
