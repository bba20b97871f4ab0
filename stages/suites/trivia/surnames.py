"""Whether a short form of a name is another bearer's: Ian Fleming, Leonardo DiCaprio."""

from __future__ import annotations

from collections.abc import Sequence

from stages.suites.trivia import lexicon
from stages.suites.trivia.statements import Clause, Mention, Words

_PLAIN = lexicon.TITLES | lexicon.FUNCTION | lexicon.BENIGN | lexicon.ARTICLES | lexicon.AUXILIARIES


def another_name(forms: Sequence[Words], parts: Sequence[Clause], mention: Mention) -> str:
    """Says so where the answer's first or last words stand beside an unknown one, or before III.

    ``forms[0]`` is the full name. A surname alone, or after a title, is its bearer's.
    """
    words, phrase, full = parts[mention.clause].words, mention.phrase, forms[0]
    before = words[mention.start - 1 : mention.start] if mention.start else ()
    after = words[mention.end :]
    following = after[1:2] if after[:1] == ("the",) else after[:1]
    short = phrase in forms and len(phrase) < len(full)
    other = (
        (following and following[0] in lexicon.SUCCESSORS)
        or (short and full[-len(phrase) :] == phrase and _unknown(before))
        or (short and full[: len(phrase)] == phrase and _unknown(after[:1]))
    )
    return "it is part of another name" if other else ""


def _unknown(beside: Words) -> bool:
    return bool(beside) and beside[0] not in _PLAIN and beside[0][0].isalpha()
