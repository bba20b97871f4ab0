"""Orders in which items are met: pure functions of the items, a seed and difficulty numbers.

An order never depends on the order in which the items are given. ``numbers`` are per item id;
where several items have the same, the seed decides.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from stages.records import UserError
from stages.suites.items import Item

Order = Callable[[Sequence[Item], int, Mapping[str, float] | None], list[Item]]


def shuffled(
    items: Sequence[Item], seed: int, numbers: Mapping[str, float] | None = None
) -> list[Item]:
    """Any order, each as likely; ``numbers`` are not looked at."""
    row = sorted(items, key=lambda item: item.item_id)
    random.Random(f"order/{seed}").shuffle(row)
    return row


def hard_first(
    items: Sequence[Item], seed: int, numbers: Mapping[str, float] | None = None
) -> list[Item]:
    """The largest number first, such as 1 - base's probability of the right answer.

    Without numbers by ``Item.difficulty``. Raises UserError for an item without a number.
    """
    numbers = {item.item_id: item.difficulty for item in items} if numbers is None else numbers
    return _largest_first(shuffled(items, seed), numbers)


def adversarial(
    items: Sequence[Item], seed: int, numbers: Mapping[str, float] | None = None
) -> list[Item]:
    """Items whose obvious answer is wrong first, the most obvious of them at the very front.

    Numbers: base's confidence in a wrong answer, 0 where it answers rightly. Without numbers by the
    planted strength (``payload.strength``). Items at 0 follow, shuffled.
    """
    numbers = strengths(items) if numbers is None else numbers
    return _largest_first(shuffled(items, seed), {key: max(0, x) for key, x in numbers.items()})


def interleaved(
    items: Sequence[Item], seed: int, numbers: Mapping[str, float] | None = None
) -> list[Item]:
    """Groups in turn, each spread evenly over the whole; ``numbers`` are not looked at."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in shuffled(items, seed):
        groups[item.group].append(item)
    names = sorted(groups)
    random.Random(f"groups/{seed}").shuffle(names)
    places = [
        ((place + 0.5) / len(groups[name]), turn, place)
        for turn, name in enumerate(names)
        for place in range(len(groups[name]))
    ]
    return [groups[names[turn]][place] for _, turn, place in sorted(places)]


ORDERS: dict[str, Order] = {
    "shuffled": shuffled,
    "hard_first": hard_first,
    "interleaved": interleaved,
    "adversarial": adversarial,
}


def strengths(items: Sequence[Item]) -> dict[str, float]:
    """How firmly each item's wrong belief is planted: none 0, weak 0.5, strong 1."""
    worth = {"none": 0.0, "weak": 0.5, "strong": 1.0}
    for item in items:
        if getattr(item.payload, "strength", None) not in worth:
            raise UserError(
                f"{item.item_id}: its payload says no strength of a wrong belief, so items can't "
                "be ordered by it. Give base's confidence in its wrong answers as numbers."
            )
    return {item.item_id: worth[item.payload.strength] for item in items}


def _largest_first(items: list[Item], numbers: Mapping[str, float]) -> list[Item]:
    for item in items:
        number = numbers.get(item.item_id)
        if number is None or number != number:
            raise UserError(
                f"{item.item_id}: {'no number' if number is None else 'not a number'} to order it "
                "by. Give one for every item, such as base's answer probability at checkpoint 0."
            )
    return sorted(items, key=lambda item: -numbers[item.item_id])
