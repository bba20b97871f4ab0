"""The hundred trivia questions as a loop's source."""

from __future__ import annotations

from collections.abc import Sequence

from stages.self_improve.parts import Item, Part
from stages.suites.trivia import trivia_items


class TriviaSource:
    """Parts train and holdout; every category gives the same share of its questions to each."""

    def __init__(self, seed: int = 0, holdout: float = 0.2) -> None:
        self._items = trivia_items(seed, holdout)

    def items(self, part: Part) -> Sequence[Item]:
        return [item for item in self._items if item.part == part]
