"""One forward pass for examples that are prefixes of one another.

The steps of one episode, each an example of its own, show the model the same beginning again and
again. Under causal attention a token's logits depend on what stands before it only, so the
longest row gives the logits of all of them: loss and gradient of the batch are the same, at a
fraction of the tokens. What changes is which examples meet in a batch: those of one episode do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stages.training.batches import Row


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
