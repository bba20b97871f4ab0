"""Whether a free-text answer to a question is right; never by running anything.

Right is an answer that states one of the item's wordings, or all of its key terms, as whole words,
and nothing that contradicts it: not negated, no alternatives, not the usual wrong answer besides.
What a whole short text says is stages/suites/judge.py's; this one reads sentences too.

It knows words, not the world: an answer that states the truth and something else that is false
('Canberra, founded by the Romans') is right.
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.suites.items import Item, Judged
from stages.suites.trivia import rivals
from stages.suites.trivia.statements import Words, clauses, corrected, mentions, unstated
from stages.suites.trivia.surnames import another_name
from stages.suites.trivia.wordings import Wordings, bare, wordings
from stages.suites.trivia.words import tokens


class TriviaJudge:
    """Judges by ``answer``, ``accepted`` and ``key_terms``; a ``belief`` in the payload helps."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        """One verdict per (item, answer), in their order; nothing is hidden from selection."""
        reasons = [why_wrong(item, text) for item, text in pairs]
        return [Judged(not reason, not reason, reason) for reason in reasons]


def why_wrong(item: Item, text: str) -> str:
    """Why ``text`` is no right answer to ``item``, in a few words; empty for a right one."""
    known = wordings(item)
    said = tokens(text, (*known.phrases, known.belief))
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
    return lacking or rivals.contradiction(known, parts, stated, found)


def _lacking(known: Wordings, stated: frozenset[Words]) -> str:
    """Which key term the stated phrases lack, or that no wording is among them without keys."""
    for key in known.keys:
        if not any(_holds(phrase, term) for phrase in stated for term in key):
            return f"the key term {' or '.join(' '.join(term) for term in key)!r} is not stated"
    return "" if known.keys or stated & set(known.forms) else "the answer is not in it"


def _holds(phrase: Words, term: Words) -> bool:
    return any(phrase[i : i + len(term)] == term for i in range(len(phrase)))
