"""Whether training texts hold a guard's items: shared n-grams, item by item (check 18).

Two parts of an item are looked for on their own, its question and its solution: a text that holds
the question with another solution would otherwise pass as clean. Words that many items share (the
opening of every MBPP task) count for none. Only the items' n-grams are held in memory, so that the
training texts can be a corpus that is read once.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from stages.suites.guard import GuardProblem

N_GRAM = 8
"""words and single marks; the shortest n of Brown et al. (2020), appendix C, as in the audit"""
CONTAMINATED = 0.5
"""share of a part's n-grams in one text from which the item counts as held"""
COMMON_ITEMS = 10
"""items that share an n-gram from which it is boilerplate; the same paper's number"""
_WORD = re.compile(r"\w+|[^\w\s]")

Gram = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Overlap:
    """What one training text holds of one part of one item; the fullest text is kept."""

    problem_id: str
    part: str
    """question or solution"""
    share: float
    """of the part's n-grams that the text holds, 0 to 1"""
    longest: int
    """words in the longest run that stands in both"""
    source: str
    """name of the training text; empty where no text shares an n-gram"""

    @property
    def contaminated(self) -> bool:
        """Whether the text holds more than half of the part."""
        return self.share > CONTAMINATED


def words(text: str) -> list[str]:
    """Words and single marks after NFKC and case folding."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def find_overlaps(
    problems: Sequence[GuardProblem], texts: Iterable[tuple[str, str]], n: int = N_GRAM
) -> list[Overlap]:
    """For each part of each problem, the training text (name, text) that holds most of it.

    Parts shorter than ``n`` words, or made of boilerplate only, can't be recognised: share 0.
    Sorted by share, largest first. Reads ``texts`` once; time is linear in their length.
    """
    parts = _parts(problems, n)
    holders: dict[Gram, list[int]] = {}
    for index, (_, _, grams) in enumerate(parts):
        for gram in {gram for _, gram in grams}:
            holders.setdefault(gram, []).append(index)
    best = [Overlap(problem_id, part, 0.0, 0, "") for problem_id, part, _ in parts]
    for name, text in texts:
        shared = set(_grams(words(text), n)) & holders.keys()
        for index in sorted({index for gram in shared for index in holders[gram]}):
            problem_id, part, grams = parts[index]
            hits = [place for place, gram in grams if gram in shared]
            share = len(hits) / len(grams)
            if share > best[index].share:
                best[index] = Overlap(problem_id, part, share, _longest(hits) + n - 1, name)
    return sorted(best, key=lambda found: -found.share)


def _parts(
    problems: Sequence[GuardProblem], n: int
) -> list[tuple[str, str, list[tuple[int, Gram]]]]:
    """Problem, part, and the part's n-grams without boilerplate, each with its place."""
    parts = [
        (problem.problem_id, part, _grams(words(text), n))
        for problem in problems
        for part, text in (("question", problem.prompt), ("solution", problem.reference))
    ]
    owners = Counter(pair for name, _, grams in parts for pair in {(gram, name) for gram in grams})
    items = Counter(gram for gram, _ in owners)
    return [
        (name, part, [each for each in enumerate(grams) if items[each[1]] < COMMON_ITEMS])
        for name, part, grams in parts
    ]


def _grams(tokens: Sequence[str], n: int) -> list[Gram]:
    return [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]


def _longest(places: Sequence[int]) -> int:
    """Length of the longest run of neighbouring places, given in order."""
    longest = run = 0
    before = -1
    for place in places:
        run = run + 1 if place == before + 1 else 1
        before, longest = place, max(longest, run)
    return longest
