"""What an online loop trains on after an answer: a correction, and answers to rehearse.

Revisions are the model's own; ``report`` says of each, before anything is trained on it, whether it
is valid, correct, fixed a wrong answer, broke a right one, or says the same again.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence

from stages.agent.chat import Message
from stages.lab.loops import Probed
from stages.self_improve.parts import Attempt, Item, Judged
from stages.suites import asking
from stages.suites.judge import normalised


@dataclasses.dataclass(frozen=True)
class Correction:
    """One text that may be trained on as the answer to an item."""

    text: str
    kind: str
    """ground_truth or revision"""
    judged: Judged
    valid: bool
    """it ended by itself and isn't empty"""
    tokens: int
    """written by the model for it; 0 for the right answer"""


def revision_chat(item: Item, attempt: Attempt, shown: bool) -> list[Message]:
    """The chat that asks for a revision: told whether it was right, or shown the right answer."""
    if shown:
        return asking.shown(item.prompt, item.answer)
    return asking.revision(item.prompt, attempt.text, attempt.judged.visible)


def report(attempt: Attempt, correction: Correction) -> dict[str, bool]:
    """What a correction did to an answer, as the mean of which revision quality is reported."""
    before, after = attempt.judged.correct, correction.judged.correct
    return {
        "valid": correction.valid,
        "correct": after,
        "fixed": after and not before,
        "broke": before and not after,
        "restated": normalised(correction.text) == normalised(attempt.text),
    }


def dealt(items: Sequence[Item], seed: int) -> dict[str, Item]:
    """Item id -> another item, whose answer is the placebo's target; never one that is the same.

    Items are dealt around a shuffled ring, so every answer is used about once.
    """
    ring = sorted(items, key=lambda item: item.item_id)
    random.Random(f"placebo {seed}").shuffle(ring)
    partners = {}
    for place, item in enumerate(ring):
        others = [*ring[place + 1 :], *ring[:place]]
        own = normalised(item.answer)
        partners[item.item_id] = next(o for o in others if normalised(o.answer) != own)
    return partners


def rehearsed(
    probed: Sequence[Probed], items: Mapping[str, Item], without: str, k: int, seed: object
) -> list[tuple[Item, str]]:
    """``k`` (item, answer) of the model's own right answers to other trained items, or all of them.

    They are those of the last probe: what the model itself said, in its own words.
    """
    right = [
        (items[row.item_id], row.text)
        for row in probed
        if row.item_id in items and row.visible and row.finish == "stop" and row.sample == 0
    ]
    pool = [pair for pair in right if pair[0].item_id != without]
    return random.Random(f"rehearsal {seed}").sample(pool, min(k, len(pool)))
