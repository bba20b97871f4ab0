"""Which items a step attempts: new ones every time, from everywhere or from where it is weak."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from stages.records import UserError
from stages.suites.items import Item


class DrawError(UserError):
    """Items can't be drawn as asked; the message says which run out and the remedy."""


def draw_items(
    pool: Sequence[Item],
    count: int,
    used: Collection[str],
    rng: random.Random,
    groups: Sequence[str] = (),
) -> list[Item]:
    """``count`` items of ``groups`` (none: all) not in ``used``, each group as often as the others.

    A group that has run out leaves its share to the others. Raises DrawError when fewer than
    ``count`` are left, and for an item that isn't of the part train: problems that are tested on
    stay the same in every generation, and no other part may be drawn from.
    """
    foreign = [item.item_id for item in pool if item.part != "train"]
    if foreign:
        raise DrawError(
            f"{foreign[0]} and {len(foreign) - 1} more items to draw from are of another part than "
            "train. A test set that is drawn anew for each generation compares different problems; "
            "draw from train, and probe the fixed parts."
        )
    left: dict[str, list[Item]] = {}
    for item in pool:
        if item.item_id not in used and (not groups or item.group in groups):
            left.setdefault(item.group, []).append(item)
    if sum(map(len, left.values())) < count:
        raise DrawError(
            f"{count} new items were asked for from {', '.join(groups) or 'all groups'}, and "
            f"{sum(map(len, left.values()))} are left. Give the source a larger part train, or "
            "draw fewer in a step."
        )
    for items in left.values():
        rng.shuffle(items)
    drawn: list[Item] = []
    order = sorted(left)
    while len(drawn) < count:
        rng.shuffle(order)
        drawn += [left[group].pop() for group in order if left[group]][: count - len(drawn)]
    return drawn
