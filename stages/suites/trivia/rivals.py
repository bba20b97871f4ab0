"""What a text states besides the truth: the usual wrong answer, or another number."""

from __future__ import annotations

from collections.abc import Sequence

from stages.suites.trivia import lexicon
from stages.suites.trivia.content import content
from stages.suites.trivia.statements import Clause, Mention, Words, mentions, unstated
from stages.suites.trivia.wordings import Wordings


def is_believed(known: Wordings, parts: Sequence[Clause], found: Sequence[Mention]) -> bool:
    """Whether the usual wrong answer is given too; ``found`` are all mentions of the truth."""
    if not known.belief:
        return False
    others = [m for m in mentions(parts, known.phrases | {known.belief}) if m not in found]
    return any(_answers(known, parts, m) for m in others)


def has_other_number(known: Wordings, parts: Sequence[Clause]) -> bool:
    """Whether a number is given that neither truth nor question has; operands don't count."""
    if not _is_number(known.forms[0]):
        return False
    mine = {word for phrase in known.phrases for word in phrase} | set(known.question)
    years = "year" in known.question
    return any(
        _answers(known, parts, Mention((word,), index, place, place + 1))
        for index, part in enumerate(parts)
        for place, word in enumerate(part.words)
        if word.startswith("#") and word not in mine and not _aside(part.words, place, years)
    )


def _is_number(phrase: Words) -> bool:
    return len(phrase) == 1 and phrase[0].startswith("#")


def _aside(words: Words, place: int, years: bool) -> bool:
    """Whether a number is an operand, or a date or span where no year is asked for."""
    beside = words[max(place - 1, 0) : place + 2]
    dated = bool(place) and words[place - 1] in lexicon.CIRCUMSTANCES and not years
    return dated or any(w in lexicon.OPERATORS for w in beside)


def _answers(known: Wordings, parts: Sequence[Clause], mention: Mention) -> bool:
    """Whether a rival is given as the answer: stated, in a clause about nothing else."""
    words = _beside(parts[mention.clause].words, mention)
    measured = not _is_number(mention.phrase) and any(w.startswith("#") for w in words)
    letters = {w for w in words if len(w) == 1 and w.isalpha() and w not in known.question}
    about = measured or letters - {"a", "i"} or content(known, words, mention.phrase)
    return not unstated(parts, mention) and not about


def _beside(words: Words, mention: Mention) -> Words:
    """The clause as far as the nearest 'and' on either side of the mention."""
    before, after = words[: mention.start], words[mention.end :]
    if "and" in before:
        before = before[len(before) - before[::-1].index("and") :]
    return (*before, *(after[: after.index("and")] if "and" in after else after))
