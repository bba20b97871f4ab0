"""One forward pass for examples that are prefixes of one another, or equal.

The steps of one episode, each an example of its own, show the model the same beginning again and
again. Under causal attention a token's logits depend on what stands before it only, so the
longest row gives the logits of all of them: loss and gradient of the batch are the same, at a
fraction of the tokens. What changes is which examples meet in a batch: those of one episode do.

Short questions and answers, and few examples repeated up to a budget of tokens, are equal often:
of the pilot's 747 pairs of format A 22 differ. Equal ones of a batch pass once, each weighing what
it would: the sum of the batch's losses is the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stages.training.batches import Row, planned_batches
from stages.training.settings import TrainSettings

Tokens = tuple[tuple[tuple[int, ...], tuple[bool, ...]], ...]
"""Ids and mask of each row of a group."""


def share_prefixes(rows: Sequence[Row]) -> list[Row]:
    """Rows with each prefix folded into the longest row that continues it, targets united.

    A row is folded only where no target is covered twice, so a repeated example keeps its weight.
    Order: by the first example that a row holds. ``n_examples`` adds up to what was given.
    """
    if not rows:
        return []
    shortest = min(len(row.ids) for row in rows)
    folded: dict[tuple[int, ...], list[tuple[int, Row]]] = {}
    for index in sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i)):
        row = rows[index]
        bucket = folded.setdefault(row.ids[:shortest], [])
        for place, (first, longer) in enumerate(bucket):
            if longer.ids[: len(row.ids)] == row.ids and not _overlap(longer, row):
                bucket[place] = (min(first, index), _unite(longer, row))
                break
        else:
            bucket.append((index, row))
    return [row for _, row in sorted((e for b in folded.values() for e in b), key=lambda e: e[0])]


def _overlap(longer: Row, row: Row) -> bool:
    return any(a and b for a, b in zip(longer.mask, row.mask, strict=False))


def _unite(longer: Row, row: Row) -> Row:
    mask = tuple(
        learn or (t < len(row.mask) and row.mask[t]) for t, learn in enumerate(longer.mask)
    )
    return dataclasses.replace(longer, mask=mask, n_examples=longer.n_examples + row.n_examples)


def tokens_of(group: Sequence[Row]) -> Tokens:
    """What the group's loss depends on."""
    return tuple((row.ids, row.mask) for row in group)


def counted(groups: Sequence[Sequence[Row]], settings: TrainSettings) -> list[tuple[int, int]]:
    """(place, times) of each different group of a batch, by first place.

    Groups are equal that have the same tokens and targets, whatever example they come from. Where
    nothing is to be shared every group counts as different.
    """
    if not settings.share_prefixes:
        return [(place, 1) for place in range(len(groups))]
    places: dict[Tokens, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(tokens_of(group), []).append(place)
    return [(equal[0], len(equal)) for equal in places.values()]


def computed_tokens(groups: Sequence[Sequence[Row]], settings: TrainSettings) -> int:
    """Tokens that pass through the model in all epochs; a group is what is drawn together."""
    lengths = [sum(len(row.ids) for row in group) for group in groups]
    sizes = [group[0].n_examples for group in groups]
    return sum(
        lengths[batch[place]]
        for batch in planned_batches(sizes, settings)
        for place, _ in counted([groups[i] for i in batch], settings)
    )
