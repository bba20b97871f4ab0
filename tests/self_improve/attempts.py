"""Attempts at made-up problems, with the verdicts that a test wants."""

from __future__ import annotations

from stages.self_improve.parts import Attempt
from stages.suites.items import Item, Judged, Part


def make_item(name: str, group: str = "g", part: Part = "train") -> Item:
    return Item(name, part, group, 1, f"write {name}", f"answer of {name}")


def make_attempt(
    name: str,
    text: str,
    correct: bool = True,
    visible: bool | None = None,
    group: str = "g",
    part: Part = "train",
    sample: int = 0,
    step: int = 1,
    finish: str = "stop",
) -> Attempt:
    judged = Judged(correct, correct if visible is None else visible)
    return Attempt(make_item(name, group, part), sample, text, judged, 5, finish, step)
