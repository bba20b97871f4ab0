"""The parts of a self-improvement loop: attempt -> judge -> select -> train -> checkpoint -> probe.

A loop is a source of items, a judge of answers and a selector of what to train on; the machine
does the rest, the same for all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from stages.records import Example
from stages.suites.items import Item, Judged, Part

__all__ = ["Attempt", "Item", "Judge", "Judged", "Part", "Selector", "Source"]


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One answer that the model (or a teacher) gave, with what the judge says of it."""

    item: Item
    sample: int
    """which of the answers to this item, from 0"""
    text: str
    """the answer as written"""
    judged: Judged
    tokens: int
    """tokens written"""
    finish: str
    """``stop``, or ``length`` where it was cut off"""
    step: int = 0
    """the loop's step (iteration; online: item) that it was made in, from 1"""
    kind: str = "own"
    """own, ground_truth, teacher, rehearsal, revision, replay: who wrote it and what for"""


class Source(Protocol):
    """Where a loop's items come from; the same items at every call."""

    def items(self, part: Part) -> Sequence[Item]:
        """The part's items, in a fixed order; empty where the source has no such part."""
        ...


class Judge(Protocol):
    """Says which answers are right. Never runs an answer outside the sandbox."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        """One verdict per (item, answer), in their order."""
        ...


class Selector(Protocol):
    """Chooses, and may rewrite, what is trained on."""

    def select(self, attempts: Sequence[Attempt]) -> Sequence[Example]:
        """Training examples from the attempts so far; none: nothing is trained this time.

        Goes by ``judged.correct``: an answer that passes the visible cases and fails the hidden
        ones is counted and never trained on (check 29).
        """
        ...
