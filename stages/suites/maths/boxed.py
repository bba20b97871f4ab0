r"""Where the answer stands in a worked solution: the last ``\boxed{...}``, or the closing line."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![a-zA-Z])\s*")
_PHRASE = re.compile(r"\banswer\s*(?:is|:)\s*:?", re.IGNORECASE)
_CLOSERS = re.compile(r"\.?\s*I hope it is correct\.?.*$", re.IGNORECASE)


def last_boxed(text: str) -> str | None:
    r"""What the last complete ``\boxed`` holds (``\boxed 5`` holds one word); None without one.

    Reference: Hendrycks et al. (2021), arXiv:2103.03874, whose grader takes the last box too.
    """
    for found in reversed(list(_BOX.finditer(text))):
        if text[found.end() : found.end() + 1] != "{":
            word = re.match(r"[^\s$.,\\]+", text[found.end() :])
            if word:
                return word[0]
            continue
        inside = _braces(text, found.end())
        if inside is not None:
            return inside
    return None


def stated_answer(text: str) -> str | None:
    """The box's content; without a box, what follows the last 'the answer is' on its line."""
    if (boxed := last_boxed(text)) is not None:
        return boxed
    found = list(_PHRASE.finditer(text))
    if not found:
        return None
    line = text[found[-1].end() :].lstrip("* ").split("\n")[0]
    return _CLOSERS.sub("", line).strip().strip("*").strip() or None


def _braces(text: str, start: int) -> str | None:
    """The inside of the brace at ``start``; None when it never closes."""
    depth, place = 0, start
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 1 : place]
        place += 1
    return None
