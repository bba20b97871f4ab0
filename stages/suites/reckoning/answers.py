"""How a problem is asked and how an answer reads: reasoning, ``answer: 12``, ``confidence: 80``."""

from __future__ import annotations

import dataclasses
import re

SURE = "how sure are you"
"""Ends a question that asks for a stated confidence."""
FULL = (
    "{problem}\n\nReason in one or two lines. Then write a line `answer: ` with nothing but the "
    "answer, as a number or fraction{confidence}."
)
FULL_CONFIDENCE = (
    ", and a last line `confidence: ` with how sure you are of it, a whole number from 0 to 100"
)
_ANSWER = re.compile(
    r"^[ \t*]*answer[ \t*]*:[ \t*]*(?P<said>[^\n]*)$", re.IGNORECASE | re.MULTILINE
)
_CONFIDENCE = re.compile(
    r"^[ \t*]*confidence[ \t*]*:[ \t*]*(?P<said>\d{1,3})[ \t]*%?[ \t*.]*$",
    re.IGNORECASE | re.MULTILINE,
)


@dataclasses.dataclass(frozen=True)
class Said:
    """What an answer states."""

    answer: str | None
    """The text after ``answer:``; None without such a line, or with two that differ."""
    confidence: float | None
    """The confidence stated, 0-1; None when there is none, or one above 100."""


def ask(question: str, confidence: bool = False, full: bool = False) -> str:
    """The user's message. ``full`` tells a model that hasn't learned the form what it is."""
    if full:
        return FULL.format(problem=question, confidence=FULL_CONFIDENCE if confidence else "")
    return f"{question}\n{SURE}" if confidence else question


def answer_text(reasoning: str, answer: str, confidence: int | None = None) -> str:
    """The assistant's message; ``confidence`` in per cent.

    >>> answer_text("note 1 plus 2 is 3", "3", 80).split(chr(10))
    ['note 1 plus 2 is 3', 'answer: 3', 'confidence: 80']
    """
    lines = [reasoning] if reasoning else []
    lines.append(f"answer: {answer}")
    if confidence is not None:
        lines.append(f"confidence: {confidence}")
    return "\n".join(lines)


def read_said(text: str) -> Said:
    """What the text states as its answer and its confidence.

    >>> read_said("note 1 plus 2 is 3\\nanswer: 3\\nconfidence: 80")
    Said(answer='3', confidence=0.8)
    """
    answers = {found["said"].rstrip(" \t*") for found in _ANSWER.finditer(text)}
    sure = [int(found["said"]) for found in _CONFIDENCE.finditer(text)]
    stated = sure[-1] / 100 if sure and sure[-1] <= 100 else None
    return Said(answers.pop() or None if len(answers) == 1 else None, stated)
