"""Whether the truth is one of several answers: joined by or, by and, in a list, in a row."""

from __future__ import annotations

from collections.abc import Sequence

from stages.suites.trivia import lexicon
from stages.suites.trivia.content import content, is_name, says
from stages.suites.trivia.statements import (
    Clause,
    Mention,
    Words,
    is_denial,
    is_negator,
    is_question,
    mentions,
    unstated,
)
from stages.suites.trivia.wordings import Wordings

Stated = Sequence[Mention]
_AND = ("and", "&", "+", "plus")


def is_one_of(known: Wordings, parts: Sequence[Clause], stated: Stated) -> bool:
    """'or' in the truth's sentence, unless each side says the truth, or it is within a denial."""
    for sentence in _sentences(parts):
        if not any(m.clause in sentence for m in stated):
            continue
        sides: list[list[Clause]] = [[]]
        for index in sentence:
            for piece, opens in _split(parts[index], is_question(parts, index)):
                if opens:
                    sides.append([])
                sides[-1].extend([piece] if piece.words else [])
        if len(sides) > 1 and not all(_says(known, side) for side in sides):
            return True
    return False


def is_joined(
    known: Wordings, parts: Sequence[Clause], stated: Stated, found: Sequence[Mention]
) -> bool:
    """Paris and Lyon, Lyon and Paris; but not: Paris and it is lovely.

    ``found`` are all mentions of the truth, ``stated`` those that are said to be so.
    """
    starts, ends = {(m.clause, m.start) for m in found}, {(m.clause, m.end) for m in found}
    for m in stated:
        words = parts[m.clause].words
        before, after = words[: m.start], words[m.end :]
        goes_on = after[:1] and after[0] in _AND and (m.clause, m.end + 1) not in starts
        if goes_on and is_name(known, after[1:]) and not _does(known, after[1:]):
            return True
        came = before and before[-1] in _AND and (m.clause, m.start - 1) not in ends
        if came and content(known, before[-2:-1]):
            return True
    return False


def _does(known: Wordings, words: Words) -> bool:
    """... and release oxygen: the usual wrong answer, of one word, as a verb's object."""
    return len(words) > len(known.belief) == 1 and words[-1:] == known.belief


def is_listed(known: Wordings, parts: Sequence[Clause], stated: Stated) -> bool:
    """Bare names side by side: Paris, Lyon; what the question names may stand: Paris, France.

    Where the truth's clause says more than a name, only a name that comes first counts: it is the
    answer, and the truth its explanation (Lyon, since Paris is smaller).
    """
    asked = {i for i, part in enumerate(parts) if is_question(parts, i) or part.mark == "?"}
    mine = {m.clause for m in stated}
    if all(m.phrase[0].startswith("#") for m in stated):
        return False
    bare = any(not any(w in lexicon.FUNCTION for w in parts[i].words) for i in mine)
    return any(
        is_name(known, part.words) and part.words[0] not in lexicon.ARTICLES and part.mark != ":"
        for index, part in enumerate(parts[: None if bare else 1])
        if index not in mine | asked and not _taken_back(parts, index)
    )


def is_in_a_row(known: Wordings, parts: Sequence[Clause], stated: Stated) -> bool:
    """Paris Lyon Rome: names without a mark between them; but one word may describe the truth."""
    for m in stated:
        words = parts[m.clause].words
        if m.phrase[0].startswith("#") or says(words) or "and" in words:
            continue
        after, before = content(known, words[m.end :]), content(known, words[: m.start])
        headed = words[-1] in known.question  # the Antarctic polar desert
        if (after and not headed) or len(before) > 1:
            return True
    return False


def _says(known: Wordings, side: Sequence[Clause]) -> bool:
    return any(not unstated(side, m) for m in mentions(side, known.whole))


def _split(part: Clause, asks: bool) -> list[tuple[Clause, bool]]:
    """The clause cut at 'or', each piece with whether an 'or' stands before it."""
    pieces: list[tuple[Clause, bool]] = []
    words, opens, denied = [], False, asks
    for place, word in enumerate(part.words):
        slash = word in ("/", "|") and not _between_numbers(part.words, place)
        denied = denied or is_negator(word)
        if (word == "or" or slash) and not denied:
            pieces.append((Clause(tuple(words), "", part.ends), opens))
            words, opens = [], True
        else:
            words.append(word)
    return [*pieces, (Clause(tuple(words), part.mark, part.ends), opens)]


def _between_numbers(words: Words, place: int) -> bool:
    beside = (*words[max(place - 1, 0) : place], *words[place + 1 : place + 2])
    return all(word.startswith("#") or len(word) == 1 or word == "pi" for word in beside)


def _taken_back(parts: Sequence[Clause], index: int) -> bool:
    return index + 1 < len(parts) and is_denial(parts[index + 1].words)


def _sentences(parts: Sequence[Clause]) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    for index, part in enumerate(parts):
        rows[-1].append(index)
        if part.mark in lexicon.SENTENCE_ENDS:
            rows.append([])
    return [row for row in rows if row]
