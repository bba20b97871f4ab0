r"""One spelling for the many ways to write the same LaTeX: Unicode, spacing, braces, commands.

Unicode superscripts, subscripts and vulgar fractions become LaTeX before NFKC, which would turn
5² into 52, 443₅ into 4435 and 6½ into 61/2.
"""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 500
"""Characters of an answer that are read; MATH's longest level-2 answer has 71."""
_SIGNS = {
    **dict.fromkeys("\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}", "-"),
    "\N{MULTIPLICATION SIGN}": r"\times ",
    "\N{MIDDLE DOT}": r"\cdot ",
    "\N{DOT OPERATOR}": r"\cdot ",
    "\N{GREEK SMALL LETTER PI}": r"\pi ",
    "\N{INFINITY}": r"\infty ",
    "\N{DEGREE SIGN}": r"^{\circ}",
    "\N{LESS-THAN OR EQUAL TO}": r"\le ",
    "\N{GREATER-THAN OR EQUAL TO}": r"\ge ",
    "\N{NOT EQUAL TO}": r"\ne ",
    "\N{UNION}": r"\cup ",
    "\N{INTERSECTION}": r"\cap ",
    "\N{ELEMENT OF}": r"\in ",
    "\N{PLUS-MINUS SIGN}": r"\pm ",
    "\N{SQUARE ROOT}": r"\sqrt ",
    "\N{EMPTY SET}": r"\emptyset ",
    "\N{DOUBLE-STRUCK CAPITAL R}": r"\mathbb{R}",
    "\N{FRACTION SLASH}": "/",
    "\N{DIVISION SLASH}": "/",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
_TEXT = r"\\(?:text(?:bf|it|rm|sf|normal)?|mbox|hbox|mathrm|mathbf|mathit|textup|operatorname)\b"
_REPLACED: tuple[tuple[str, str], ...] = (
    (r"(?<!\\)\\!", ""),
    (r"\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])\.?", ""),
    (r"\\(?:displaystyle|textstyle|limits|phantom\{[^{}]*\})(?![a-zA-Z])", ""),
    (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
    (_TEXT + r"\s*(?=\{)", r"\\text"),
    (r"\\(?:lbrace|lbrack)(?![a-zA-Z])", r"\\{"),
    (r"\\(?:rbrace|rbrack)(?![a-zA-Z])", r"\\}"),
    (r"\\(?:leq|leqslant)(?![a-zA-Z])", r"\\le"),
    (r"\\(?:geq|geqslant)(?![a-zA-Z])", r"\\ge"),
    (r"\\lt(?![a-zA-Z])", "<"),
    (r"\\gt(?![a-zA-Z])", ">"),
    (r"\\neq(?![a-zA-Z])", r"\\ne"),
    (r"\\varnothing(?![a-zA-Z])", r"\\emptyset"),
    (r"\\(?:mathbb\{?R\}?|Bbb\{?R\}?|R)(?![a-zA-Z])", r"(-\\infty,\\infty)"),
    (r"\\emptyset(?![a-zA-Z])", r"\\{\\}"),
    (r"\\(?:degree|textdegree)(?![a-zA-Z])", r"^{\\circ}"),
    (r"\^\s*\\circ", r"^{\\circ}"),
    (r"(?<=\d)\s*degrees?\b", r"^{\\circ}"),
    (r"\\?%", r"\\%"),
    (r"\{,\}", ","),
    (r"(?<!\\)\\(?:quad|qquad|thinspace|enspace|,|;|:|>| )", "~"),
    (r"\*\*", "^"),
    (r"\*", r"\\cdot "),
    (r"(?<![a-zA-Z\\])pi(?![a-zA-Z])", r"\\pi "),
    (r"(?<![a-zA-Z\\])sqrt(?=\s*\()", r"\\sqrt "),
    (r"\^\s*(-?\d+)", r"^{\1}"),
    (r"_\s*(\w)", r"_{\1}"),
)
_RULES = tuple((re.compile(pattern), new) for pattern, new in _REPLACED)
_SPACED = re.compile(r"(?<![\d,.])\d{1,3}(?:[~ ]\d{3})+(?![\d])")
_END = re.compile(r"(?<=[^\\])\s*[.;]$")
_ARGUMENT = re.compile(r"\s*(\\[a-zA-Z]+|\d+|[a-zA-Z])")


def canonical(text: str, limit: int | None = MAX_LENGTH) -> str:
    """``text`` in the one spelling; at most ``limit`` characters of it are looked at."""
    text = _unicode(text[:limit]).strip()
    text = _undelimited(_END.sub("", text))
    for pattern, new in _RULES:
        text = pattern.sub(new, text)
    text = _arguments(text)
    text = _SPACED.sub(lambda found: re.sub(r"[~ ]", "", found[0]), text).replace("~", " ")
    text = " ".join(text.split())
    text = _END.sub("", text).strip()
    while text.startswith("{") and closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def closing(text: str, start: int) -> int:
    """Place of the bracket that closes the one at ``start``; -1 when nothing does.

    An interval's ends may differ: ``[`` is closed by ``)`` too.
    """
    depth, place = 0, start
    while place < len(text):
        if text[place] == "\\" and text[place + 1 : place + 2] in ("{", "}"):
            place += 1
        if text[place] in "([{":
            depth += 1
        elif text[place] in ")]}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    return -1


def _unicode(text: str) -> str:
    parts: list[str] = []
    for mark in text:
        kind, _, rest = unicodedata.decomposition(mark).partition(" ")
        if kind in ("<super>", "<sub>") and mark not in "ªº":
            opening = "^{" if kind == "<super>" else "_{"
            inner = _SIGNS.get(plain := unicodedata.normalize("NFKC", mark), plain)
            if parts and parts[-1].startswith(opening) and parts[-1].endswith("}"):
                parts[-1] = parts[-1][:-1] + inner + "}"
            else:
                parts.append(opening + inner + "}")
        elif kind == "<fraction>":
            above, below = (chr(int(code, 16)) for code in (rest.split()[0], rest.split()[-1]))
            parts.append(rf"\frac{{{above}}}{{{below}}}")
        else:
            parts.append(_SIGNS.get(mark, mark))
    text = unicodedata.normalize("NFKC", "".join(parts))
    return "".join(_SIGNS.get(mark, mark) for mark in text)


def _undelimited(text: str) -> str:
    """Without the marks that open and close a formula, or make text bold in Markdown."""
    for opening, close in (("**", "**"), ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        inside = text[len(opening) : -len(close)]
        whole = text.startswith(opening) and text.endswith(close) and bool(inside)
        if whole and opening not in inside.replace("\\$", ""):
            text = inside.strip()
    return text


def _arguments(text: str) -> str:
    r"""Every argument of ``\frac`` and ``\sqrt`` in braces: ``\frac34``, ``\sqrt 5``, ``\sqrt(5)``.

    A bare number after ``\frac`` gives one digit, as in LaTeX; after ``\sqrt`` all of it, as meant.
    """
    for command, wanted in ((r"\frac", 2), (r"\sqrt", 1)):
        place = text.find(command)
        while place >= 0:
            at = place + len(command)
            if command == r"\sqrt" and text[at : at + 1] == "[":
                at = max(closing(text, at) + 1, at)
            for _ in range(wanted):
                text, at = _braced(text, at, command == r"\frac")
            place = text.find(command, place + len(command))
    return text


def _braced(text: str, at: int, one_digit: bool) -> tuple[str, int]:
    """The text with the argument that begins at ``at`` in braces, and the place behind it."""
    start = at + len(text[at:]) - len(text[at:].lstrip())
    opening = text[start : start + 1]
    if opening == "{" or (opening == "(" and not one_digit):
        end = closing(text, start)
        if end < 0:
            return text, at
        if opening == "(":
            text = f"{text[:start]}{{{text[start + 1 : end]}}}{text[end + 1 :]}"
        return text[:at] + text[start:], end + 1 - (start - at)
    found = _ARGUMENT.match(text, at)
    if found is None:
        return text, at
    word = found[1][:1] if one_digit and found[1][0].isdigit() else found[1]
    end = found.start(1) + len(word)
    return f"{text[:at]}{{{word}}}{text[end:]}", at + len(word) + 2
