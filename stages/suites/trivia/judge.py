"""Whether a free-text answer to a question is right; never by running anything.

Right is an answer that states one of the item's wordings, or all of its key terms, as whole words,
and nothing that contradicts it: not negated, no alternatives, not the usual wrong answer besides.
What a whole short text says is stages/suites/judge.py's; this one reads sentences too.

It knows words, not the world: an answer that states the truth and something else that is false
('Canberra, founded by the Romans') is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.suites.items import Item, Judged
from stages.suites.trivia import alternatives, rivals
from stages.suites.trivia.statements import (
    Clause,
    Mention,
    Words,
    clauses,
    corrected,
    mentions,
    unstated,
)
from stages.suites.trivia.surnames import another_name
from stages.suites.trivia.wordings import Wordings, bare, wordings
from stages.suites.trivia.words import tokens

_ANSWER_LINE = re.compile(r"^[ \t*]*answer[ \t*]*:", re.IGNORECASE | re.MULTILINE)
_CONFIDENCE_LINE = re.compile(
    r"^[ \t*]*confidence[ \t*]*:[ \t*]*\d{1,3}[ \t]*%?[ \t*.]*$", re.IGNORECASE | re.MULTILINE
)


class TriviaJudge:
    """Judges by ``answer``, ``accepted`` and ``key_terms``; a ``belief`` in the payload helps."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        """One verdict per (item, answer), in their order; nothing is hidden from selection."""
        reasons = [why_wrong(item, text) for item, text in pairs]
        return [Judged(not reason, not reason, reason) for reason in reasons]


def why_wrong(item: Item, text: str) -> str:
    """Why ``text`` is no right answer to ``item``, in a few words; empty for a right one."""
    known = wordings(item)
    said = tokens(answer_in(text), (*known.phrases, known.belief))
    if not said:
        return "no answer"
    if bare(said) in known.forms:
        return _lacking(known, frozenset((bare(said),)))
    parts = clauses(corrected(said))
    found = [m for m in mentions(parts, known.phrases | {known.belief}) if m.phrase != known.belief]
    reasons = [unstated(parts, m) or another_name(known.forms, parts, m) for m in found]
    stated = [m for m, reason in zip(found, reasons, strict=True) if not reason]
    if not stated:
        return reasons[-1] if reasons else "the answer is not in it"
    if reasons[-1] in ("it is negated", "it is taken back"):
        return reasons[-1]
    lacking = _lacking(known, frozenset(m.phrase for m in stated))
    return lacking or _contradicted(known, parts, stated, found)


def answer_in(text: str) -> str:
    """The text from its one line ``answer: ...`` on, without a line ``confidence: 80``."""
    starts = [found.start() for found in _ANSWER_LINE.finditer(text)]
    return _CONFIDENCE_LINE.sub("", text[starts[-1] if len(starts) == 1 else 0 :])


def _contradicted(
    known: Wordings, parts: list[Clause], stated: list[Mention], found: list[Mention]
) -> str:
    """Why the stated truth doesn't stand alone; empty where it does."""
    if rivals.is_believed(known, parts, found):
        return "the usual wrong answer stands in it too"
    if rivals.has_other_number(known, parts):
        return "another number stands in it too"
    if alternatives.is_one_of(known, parts, stated):
        return "it is one of several alternatives"
    if alternatives.is_joined(known, parts, stated, found):
        return "it is joined with another answer"
    listed = alternatives.is_listed(known, parts, stated)
    row = listed or alternatives.is_in_a_row(known, parts, stated)
    return "it is one of a list" if row else ""


def _lacking(known: Wordings, stated: frozenset[Words]) -> str:
    """Which key term the stated phrases lack, or that no wording is among them without keys."""
    for key in known.keys:
        if not any(_holds(phrase, term) for phrase in stated for term in key):
            return f"the key term {' or '.join(' '.join(term) for term in key)!r} is not stated"
    return "" if known.keys or stated & set(known.forms) else "the answer is not in it"


def _holds(phrase: Words, term: Words) -> bool:
    return any(phrase[i : i + len(term)] == term for i in range(len(phrase)))
