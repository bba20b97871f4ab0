"""A text as tokens that can be compared: words, marks and numbers, however they were written.

NFKC, case, LaTeX and quotes are stages/suites/judge.py's; here superscripts keep their meaning
(r² is r^2, 10² isn't 102), subscripts lose theirs (H₂O is h2o), accents fall, and a number becomes
``#`` with its exact value: 1,000, 1000.0, one thousand and a thousand are all ``#1000``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from fractions import Fraction

from stages.suites.judge import normalised, number
from stages.suites.trivia.cardinals import merged

LONGEST = 2000
"""characters of an answer that are read; the rest is left out"""

_SUPERSCRIPTS = {ord(c): d for c, d in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True)}
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_STRUCK = re.compile(r"~~.*?~~", re.DOTALL)
_STROKES = re.compile("[\u0334-\u0338]")
_THIN = re.compile("(?<=\\d)[\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_VULGAR = re.compile("(?<=\\d)(?=[\u00bc-\u00be\u2150-\u215e\u2189])")
_REPLACED = (
    (re.compile(r"_\{?(\w+)\}?"), r"\1"),  # h_2o, h_{2}o
    (re.compile(r"\^\{([^{}]*)\}"), r"^\1"),
    (re.compile(r"(?<=\w)\*\*(?=\d)"), "^"),
    (re.compile(r"\\?\bpi\b|\\pi|π"), " pi "),
    (re.compile(r"\(\s*([a-z]\s*(?:\^\s*\d+)?)\s*\)"), r" \1 "),  # pi (r^2), pi (r)^2
    (re.compile(r"\b([a-z])\.([a-z])\b\.?(?:([a-z])\b\.?)?"), r"\1\2\3 "),  # d.c., u.s.a.
    (re.compile(r"(^|[=:;,(])\s*\+(?=\d)"), r"\1 "),
    (re.compile("[·⋅∙]"), "*"),
    (re.compile(r"^-\s+|(?<!\d)\s+-+\s+|\s+-+\s+(?!\d)|--+|[\N{EM DASH}\N{BULLET}]"), " ; "),
    (re.compile(r"!=|=/="), " not "),
    (re.compile(r"\bsquared\b"), " ^ 2 "),
    (re.compile(r"\bcubed\b"), " ^ 3 "),
    (re.compile(r"\b(?:half a dozen|half dozen)\b"), " six "),
    (
        re.compile(
            r"\b(?:no|without|without any|without a) (?:doubt|question)\b|\bof course\b|\bwhy not\b"
            r"|\bnothing but\b|\bnone other than\b|\bnot surprisingly\b|\bmore or less\b|\bor so\b"
        ),
        " ",
    ),
    (
        re.compile(
            r"\b(?:anything but|all but|other than|rather than|instead of|as opposed to|far from"
            r"|no longer|apart from|aside from|in place of)\b"
        ),
        " not ",
    ),
)
_POWER_OF_TEN = re.compile(r"(?<![\w.,^])\d+(?:\.\d+)?\s*[x*]\s*10\s*\^\s*[+-]?\d{1,2}(?![\w.])")
_TOKEN = re.compile(
    r"\d[\d.,]*[^\W\d_][^\W_]*"  # 8th, 12cm, 1,000km: no number
    r"|(?:(?<![\w)%])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+(?![\w.]))?%?"
    r"|(?<![\w.])\.\d+%?"
    r"|[^\W_]+(?:['-][^\W_]+)*"
    r"|[.,;:!?()\[\]/^=+*|&<>≤≥÷√-]"
)


def tokens(text: str, phrases: Iterable[tuple[str, ...]] = ()) -> tuple[str, ...]:
    """Tokens of ``text``: folded words, marks, and numbers as ``#`` with their exact value.

    A hyphenated word stays one token (non-metal), unless its parts are number words or stand in one
    of ``phrases``: blue-whale is blue whale where that is what one looks for.
    """
    wanted = [f" {' '.join(phrase)} " for phrase in phrases]
    found: list[str] = []
    for token in _TOKEN.findall(_folded(text)):
        parts = token.split("-")
        together = f" {' '.join(parts)} "
        if len(parts) > 1 and all(parts) and not token[0].isdigit():
            split = merged(parts)
            apart = len(split) == 1 or any(together in phrase for phrase in wanted)
            found.extend(parts if apart else [token])
        else:
            found.append(_valued(token))
    return tuple(merged(found))


def _folded(text: str) -> str:
    ended = text.rstrip().endswith("?")
    text = "".join(_plain_character(c) for c in text[:LONGEST])
    text = _RAISED.sub(lambda run: "^" + run.group().translate(_SUPERSCRIPTS), text)
    text = _VULGAR.sub(" ", _THIN.sub("", _STRUCK.sub("\n", text)))
    text = normalised(re.sub(r"\s*\n\s*", " ; ", text)) + ("?" if ended else "")
    text = unicodedata.normalize("NFKD", text)
    text = _STROKES.sub(" not ", text)  # a character struck out: the stroke of an unequal sign
    text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf"))
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return _POWER_OF_TEN.sub(lambda power: f" {number(power.group().strip())} ", text)


def _plain_character(character: str) -> str:
    """One digit for every script's, no invisible characters, one kind of line end."""
    if character in "\r\v\f\x85\u2028\u2029":
        return "\n"
    if unicodedata.category(character) == "Cf":
        return ""
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _valued(token: str) -> str:
    if token[-1].isdigit() or token[-1] == "%":
        value = number(token)
        if value is not None:
            return f"#{value}"
    return token


def value(token: str) -> Fraction | None:
    """The number that a token stands for; None for a word or mark."""
    return Fraction(token[1:]) if token.startswith("#") else None
