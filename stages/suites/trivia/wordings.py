"""An item's truth and its usual wrong answer, as the tokens that answers are searched for."""

from __future__ import annotations

import dataclasses
import functools

from stages.suites.items import Item
from stages.suites.trivia.lexicon import SENTENCE_ENDS
from stages.suites.trivia.statements import Words
from stages.suites.trivia.words import tokens


@dataclasses.dataclass(frozen=True)
class Wordings:
    """What an item's truth and its usual wrong answer look like, as tokens."""

    forms: tuple[Words, ...]
    """the answer first, then the accepted wordings"""
    keys: tuple[tuple[Words, ...], ...]
    """key terms, each with its alternatives"""
    belief: Words
    """the usual wrong answer; empty for none, or where the question itself says it"""
    question: Words
    """of the question"""

    @property
    def phrases(self) -> frozenset[Words]:
        """Every wording and key term."""
        return frozenset((*self.forms, *(term for key in self.keys for term in key)))

    @property
    def whole(self) -> frozenset[Words]:
        """Phrases that say the whole truth by themselves."""
        return self.phrases if len(self.keys) == 1 else frozenset(self.forms)


def wordings(item: Item) -> Wordings:
    """The item's wordings as tokens."""
    question, belief = _phrase(item.prompt), _phrase(getattr(item.payload, "belief", ""))
    asked = any(question[i : i + len(belief)] == belief for i in range(len(question)))
    return Wordings(
        forms=tuple(_phrase(text) for text in (item.answer, *item.accepted)),
        keys=tuple(tuple(_phrase(term) for term in key.split("|")) for key in item.key_terms),
        belief=() if asked else belief,
        question=question,
    )


def bare(said: Words) -> Words:
    """The tokens without the marks that end the text."""
    end = len(said)
    while end and said[end - 1] in SENTENCE_ENDS:
        end -= 1
    return said[:end]


@functools.lru_cache(maxsize=4096)
def _phrase(text: str) -> Words:
    return bare(tokens(text))
