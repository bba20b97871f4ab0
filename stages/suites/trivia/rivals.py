"""What a text states besides the truth: the usual wrong answer, another number, alternatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stages.suites.trivia import lexicon
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

_PLAIN = lexicon.BENIGN | lexicon.FUNCTION | lexicon.ARTICLES | lexicon.TITLES | lexicon.OPINIONS
Stated = Sequence[Mention]


def contradiction(
    known: Wordings, parts: Sequence[Clause], stated: Stated, found: Sequence[Mention]
) -> str:
    """Why the stated truth doesn't stand alone, in a few words; empty where it does.

    ``found`` are all mentions of the truth, ``stated`` those that are said to be so.
    """
    checks: tuple[tuple[Callable[[], bool], str], ...] = (
        (lambda: _believed(known, parts, found), "the usual wrong answer stands in it too"),
        (lambda: _other_number(known, parts), "another number stands in it too"),
        (lambda: _either(known, parts, stated), "it is one of several alternatives"),
        (lambda: _joined(known, parts, stated, found), "it is joined with another answer"),
        (lambda: _listed(known, parts, stated), "it is one of a list"),
        (lambda: _in_a_row(known, parts, stated), "it is one of a list"),
    )
    return next((reason for check, reason in checks if check()), "")


def _believed(known: Wordings, parts: Sequence[Clause], found: Sequence[Mention]) -> bool:
    if not known.belief:
        return False
    others = [m for m in mentions(parts, known.phrases | {known.belief}) if m not in found]
    return any(_answers(known, parts, m) for m in others)


def _other_number(known: Wordings, parts: Sequence[Clause]) -> bool:
    """A number that neither the truth nor the question has; operands of a sum don't count."""
    if not all(len(form) == 1 and form[0].startswith("#") for form in known.forms[:1]):
        return False
    mine = {word for phrase in known.phrases for word in phrase} | set(known.question)
    years = "year" in known.question
    return any(
        _answers(known, parts, Mention((word,), index, place, place + 1))
        for index, part in enumerate(parts)
        for place, word in enumerate(part.words)
        if word.startswith("#") and word not in mine and not _aside(part.words, place, years)
    )


def _aside(words: Words, place: int, years: bool) -> bool:
    """Whether a number is an operand, or a date or span where no year is asked for."""
    beside = words[max(place - 1, 0) : place + 2]
    dated = bool(place) and words[place - 1] in lexicon.CIRCUMSTANCES and not years
    return dated or any(w in lexicon.OPERATORS for w in beside)


def _answers(known: Wordings, parts: Sequence[Clause], mention: Mention) -> bool:
    """Whether a rival is given as the answer: stated, in a clause about nothing else."""
    part = parts[mention.clause]
    return not unstated(parts, mention) and not _content(known, part.words, mention.phrase)


def _content(known: Wordings, words: Words, besides: Words = ()) -> list[str]:
    """Words that say something: not the question's, the truth's, a number, or mere filling."""
    mine = {word for phrase in known.phrases for word in phrase} | set(known.question)
    return [
        w
        for w in words
        if w[0].isalpha() and len(w) > 1 and w not in _PLAIN | mine and w not in besides
    ]


def _either(known: Wordings, parts: Sequence[Clause], stated: Stated) -> bool:
    """'or' in the truth's sentence, unless each side says the truth, or it is within a denial."""
    for sentence in _sentences(parts):
        if not any(m.clause in sentence for m in stated):
            continue
        sides: list[list[Clause]] = [[]]
        for index in sentence:
            for piece, opens in _split(parts[index], index in _questions(parts)):
                if opens:
                    sides.append([])
                sides[-1].append(piece)
        if len(sides) > 1 and not all(_says(known, side) for side in sides):
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
    return any(word.startswith("#") or len(word) == 1 for word in beside)


def _joined(
    known: Wordings, parts: Sequence[Clause], stated: Stated, found: Sequence[Mention]
) -> bool:
    """Paris and Lyon, Lyon and Paris; but not: Paris and it is lovely."""
    starts = {(m.clause, m.start) for m in found}
    ends = {(m.clause, m.end) for m in found}
    for m in stated:
        words = parts[m.clause].words
        after, before = words[m.end : m.end + 1], words[m.start - 1 : m.start] if m.start else ()
        if after and after[0] in ("and", "&", "+", "plus"):
            rest = words[m.end + 1 :]
            does = known.belief and len(rest) > len(known.belief) == 1 and rest[-1:] == known.belief
            if (m.clause, m.end + 1) not in starts and _is_name(known, rest) and not does:
                return True
        if before and before[0] in ("and", "&", "+", "plus"):
            rest = words[: m.start - 1]
            if (m.clause, m.start - 1) not in ends and _content(known, rest[-1:]):
                return True
    return False


def _is_name(known: Wordings, words: Words) -> bool:
    """One to three words that say nothing but a name."""
    words = words[1:] if words[:1] and words[0] in lexicon.ARTICLES else words
    says = any(w in lexicon.FUNCTION | lexicon.ARTICLES or is_negator(w) for w in words)
    return 0 < len(words) <= 3 and not says and bool(_content(known, words))


def _listed(known: Wordings, parts: Sequence[Clause], stated: Stated) -> bool:
    """Bare names side by side: Paris, Lyon; what the question names may stand: Paris, France."""
    asked = _questions(parts)
    mine = {m.clause for m in stated}
    if all(any(w in lexicon.FUNCTION for w in parts[index].words) for index in mine):
        return False
    return any(
        _is_name(known, part.words) and part.words[0] not in lexicon.ARTICLES
        for index, part in enumerate(parts)
        if index not in mine | asked and not _taken_back(parts, index)
    )


def _in_a_row(known: Wordings, parts: Sequence[Clause], stated: Stated) -> bool:
    """Paris Lyon Rome: names without a mark between them; but one word may describe the truth."""
    for m in stated:
        words = parts[m.clause].words
        says = any(w in lexicon.FUNCTION | lexicon.ARTICLES or is_negator(w) for w in words)
        if m.phrase[0].startswith("#") or says or "and" in words:
            continue
        after, before = _content(known, words[m.end :]), _content(known, words[: m.start])
        if after or len(before) > 1:
            return True
    return False


def _taken_back(parts: Sequence[Clause], index: int) -> bool:
    return index + 1 < len(parts) and is_denial(parts[index + 1].words)


def _questions(parts: Sequence[Clause]) -> set[int]:
    """Clauses that ask; with a question mark even a bare word does, beside other clauses."""
    return {i for i, part in enumerate(parts) if is_question(parts, i) or part.mark == "?"}


def _sentences(parts: Sequence[Clause]) -> list[list[int]]:
    rows: list[list[int]] = [[]]
    for index, part in enumerate(parts):
        rows[-1].append(index)
        if part.mark in lexicon.SENTENCE_ENDS:
            rows.append([])
    return [row for row in rows if row]
