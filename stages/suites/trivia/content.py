"""What a clause says besides the question's and the truth's words: names, or other things."""

from __future__ import annotations

from stages.suites.trivia import lexicon
from stages.suites.trivia.statements import Words, is_negator
from stages.suites.trivia.wordings import Wordings

_PLAIN = (
    lexicon.BENIGN
    | lexicon.FUNCTION
    | lexicon.ARTICLES
    | lexicon.TITLES
    | lexicon.OPINIONS
    | lexicon.OPERATORS
)
_NO_ADVERBS = ("italy", "sicily", "july", "lily")


def content(known: Wordings, words: Words, besides: Words = ()) -> list[str]:
    """Words that say something: not the question's, the truth's, a number, or mere filling."""
    plain = _PLAIN.union(known.question, besides, *known.phrases)
    stems = [w.removesuffix("'s") for w in words if w[0].isalpha() and len(w) > 1]
    return [w for w in stems if w not in plain]


def says(words: Words) -> bool:
    """Whether the words are more than bare names: they have an article, a verb, a negation."""
    return any(w in lexicon.FUNCTION | lexicon.ARTICLES or is_negator(w) for w in words)


def is_name(known: Wordings, words: Words) -> bool:
    """One to three words that say nothing but a name."""
    words = tuple(w for w in words if w[0].isalnum())
    words = words[1:] if words[:1] and words[0] in lexicon.ARTICLES else words
    named = [w for w in content(known, words) if not w.endswith("ly") or w in _NO_ADVERBS]
    return 0 < len(words) <= 3 and not says(words) and bool(named)
