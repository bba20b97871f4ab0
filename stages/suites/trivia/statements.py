"""What a text states: its clauses, and whether a phrase in one of them is said to be so.

No grammar, only the marks and words by which short answers deny, doubt, quote and correct. Where
they leave it open, the phrase counts as not stated: a wrong pass teaches a loop what is false.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence

from stages.suites.trivia import lexicon

Words = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Clause:
    """Words between two marks (or a conjunction of contrast)."""

    words: Words
    """folded words and #numbers"""
    mark: str
    """what closes it; empty at the end of the text"""
    ends: str
    """what closes its sentence: one of . ? ! ; or empty"""


@dataclasses.dataclass(frozen=True)
class Mention:
    """A phrase that stands somewhere in the text."""

    phrase: Words
    """as looked for"""
    clause: int
    """index of its clause"""
    start: int
    """index of its first word there"""
    end: int
    """index after its last word"""


def clauses(tokens: Words) -> list[Clause]:
    """The text's clauses in their order, empty ones left out."""
    found: list[tuple[Words, str]] = []
    words: list[str] = []
    for token in (*tokens, ""):
        if token and token not in lexicon.BREAKS:
            words.append(token)
        elif words:
            found.append((tuple(words), token))
            words = []
    marks = [mark for _, mark in found]
    ends = [
        next((m for m in marks[i:] if m in lexicon.SENTENCE_ENDS), "") for i in range(len(marks))
    ]
    return [Clause(*pair, end) for pair, end in zip(found, ends, strict=True)]


def corrected(tokens: Words) -> Words:
    """What follows the last 'I mean', 'scratch that', 'correction'; all, where nothing follows."""
    for place in range(len(tokens) - 1, -1, -1):
        for sign in lexicon.CORRECTIONS:
            rest = tokens[place + len(sign) :]
            said = [w for w in rest if w not in lexicon.BREAKS]
            if tokens[place : place + len(sign)] == sign and said and place:
                return rest
    return tokens


def mentions(parts: Sequence[Clause], phrases: Collection[Words]) -> list[Mention]:
    """Where ``phrases`` stand, none inside another: the longest at each place."""
    longest = sorted((p for p in phrases if p), key=len, reverse=True)
    found: list[Mention] = []
    for index, part in enumerate(parts):
        place = 0
        while place < len(part.words):
            hit = next((m for p in longest if (m := _at(part.words, place, p, index))), None)
            found.extend([hit] if hit else [])
            place = hit.end if hit else place + 1
    return found


def _at(words: Words, place: int, phrase: Words, clause: int) -> Mention | None:
    """``phrase`` at ``place``; between the terms of a formula words of multiplication may stand."""
    if "^" not in phrase:
        end = place + len(phrase)
        return Mention(phrase, clause, place, end) if words[place:end] == phrase else None
    end = place
    for term in phrase:
        while end > place and end < len(words) and words[end] in lexicon.MULTIPLIED:
            end += 1
        if end >= len(words) or words[end] != term:
            return None
        end += 1
    return Mention(phrase, clause, place, end)


def unstated(parts: Sequence[Clause], mention: Mention) -> str:
    """Why the mentioned phrase isn't said to be so, in a few words; empty where it is."""
    checks: tuple[tuple[Callable[[Sequence[Clause], Mention], bool], str], ...] = (
        (_asked, "it is asked, not said"),
        (_negated, "it is negated"),
        (_denied, "it is taken back"),
        (_quoted, "it is what others say, or conditional"),
        (_indirect, "it is only compared with or pointed at"),
        (_term, "it is part of a larger expression"),
    )
    return next((reason for check, reason in checks if check(parts, mention)), "")


def is_denial(words: Words) -> bool:
    """Whether a clause does nothing but deny what was said before it: no, that is wrong."""
    return any(is_negator(w) for w in words) and all(
        is_negator(w) or w in lexicon.DENIAL_FILLERS for w in words
    )


def is_negator(word: str) -> bool:
    """Whether a word denies: not, never, isn't, wrong."""
    return word in lexicon.NEGATORS or word.endswith("n't")


def is_question(parts: Sequence[Clause], index: int) -> bool:
    """Whether the clause asks; a bare word with a question mark is an unsure answer."""
    part = parts[index]
    if part.ends != "?":
        return False
    first = index
    while first and parts[first - 1].mark not in lexicon.SENTENCE_ENDS:
        first -= 1
    asks = parts[first].words[0] in lexicon.ASKING or parts[first].words[0].endswith("n't")
    return asks or (part.mark == "?" and any(w in lexicon.FUNCTION for w in part.words))


def _asked(parts: Sequence[Clause], mention: Mention) -> bool:
    return is_question(parts, mention.clause)


def _negated(parts: Sequence[Clause], mention: Mention) -> bool:
    words = parts[mention.clause].words
    before, after = words[: mention.start], words[mention.end :]
    if "and" in before:  # what was said of another
        before = before[len(before) - before[::-1].index("and") :]
    if before[:1] and before[0] in ("no", "nope") and before[1:2] and before[1] in lexicon.IT:
        before = before[1:]
    if any(is_negator(w) for w in before):
        return True
    return _left_open(parts, mention.clause) or _negated_after(after)


def _negated_after(after: Words) -> bool:
    """Paris is not, Paris isn't, Paris is wrong; but not: Paris not Lyon."""
    for place, word in enumerate(after):
        if word in ("and", "which", "who", "that") and place:
            return False
        if is_negator(word):
            contrast = word == "not" and (place == 0 or after[place - 1] not in lexicon.AUXILIARIES)
            follows = after[place + 1 : place + 2]
            return not (contrast and follows and follows[0] not in lexicon.DENIAL_FILLERS)
    return False


def _left_open(parts: Sequence[Clause], index: int) -> bool:
    """It is not, I think, Paris: one of the two clauses before breaks off after its negation."""
    for before in parts[max(index - 2, 0) : index][::-1]:
        if before.mark != ",":
            return False
        if before.words[-1] in ("not", "never", "isn't", "wasn't", "aren't"):
            return True
    return False


def _denied(parts: Sequence[Clause], mention: Mention) -> bool:
    following = parts[mention.clause + 1 : mention.clause + 2]
    tag = bool(following) and following[0].mark == "?" and following[0].words[-1] in ("it", "no")
    return bool(following) and is_denial(following[0].words) and not tag


def _quoted(parts: Sequence[Clause], mention: Mention) -> bool:
    words = parts[mention.clause].words
    if any(w in lexicon.CONDITIONS for w in words):
        return True
    others = any(w in lexicon.OTHERS for w in words)
    return others and any(w in lexicon.OPINIONS for w in words)


def _indirect(parts: Sequence[Clause], mention: Mention) -> bool:
    words = parts[mention.clause].words
    place = mention.start - 1
    while place >= 0 and words[place] in lexicon.ARTICLES:
        place -= 1
    if place < 0:
        return False
    if words[place] == "of":
        return not place or words[place - 1] not in lexicon.NAMED_BY_OF
    return words[place] in lexicon.INDIRECT or words[place] in lexicon.OTHER_NAMES


def _term(parts: Sequence[Clause], mention: Mention) -> bool:
    """A number or formula beside an operator: 8 + 1, 2 pi r^2, 8-9; but 8 in 3 + 5 = 8 stands."""
    phrase, words = mention.phrase, parts[mention.clause].words
    before = words[mention.start - 1] if mention.start else ""
    after = words[mention.end] if mention.end < len(words) else ""
    if before in ("-", "non") or (after == "-" and not phrase[-1].startswith("#")):
        return True
    if "^" in phrase:
        beside = (before, after)
        return any(_is_factor(w) for w in beside) or before in lexicon.MULTIPLES
    return phrase[0].startswith("#") and _larger(before, words[mention.end :], words, mention.start)


def _larger(before: str, after: Words, words: Words, start: int) -> bool:
    """A number in a range, a share, a sum, or of another unit: 8 to 9, 8 of 10, 8 + 1, 100 °F."""
    unit = next((w for w in after if w not in ("degree", "degrees")), "")
    number_before = start > 1 and words[start - 2].startswith("#")
    if unit in lexicon.OTHER_UNITS or (before in ("to", "-") and number_before):
        return True
    beyond = [i for i, w in enumerate(after[:3]) if w.startswith("#")]
    if beyond and after[: beyond[0]] in (("to",), ("-",), ("of",), ("out", "of")):
        return True
    sides = (before, "" if after[:1] == ("-",) else "".join(after[:1]))
    return "=" not in sides and any(w in lexicon.OPERATORS for w in sides)


def _is_factor(word: str) -> bool:
    single = len(word) == 1 and word not in ("a", "=", "i")
    return word.startswith("#") or single or word in lexicon.OPERATORS
