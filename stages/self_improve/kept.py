"""A source's items, made once."""

from __future__ import annotations

from collections.abc import Sequence

from stages.self_improve.parts import Item, Part, Source


class Kept:
    """Any source, remembering what it gave: generating a part anew at every step takes longer than
    a small model's answers."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._given: dict[Part, list[Item]] = {}

    def items(self, part: Part) -> Sequence[Item]:
        """The part's items, in the source's order."""
        if part not in self._given:
            self._given[part] = list(self._source.items(part))
        return self._given[part]
