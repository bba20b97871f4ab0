"""The meta-learning score: registered on windows, with its other readings labelled beside it.

seeds/000 gives the formula and leaves open which checkpoints are 'early' and 'late', and whether a
rate is of the items since the last checkpoint or of all so far. One is registered; each of the
others may give another number, even another sign, for the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stages.stats.intervals import Undefined
from stages.stats.items import (
    MIN_CHECKPOINTS,
    MIN_WINDOW_ITEMS,
    LoopRates,
    meta_learning_score,
)
from stages.stats.loops.rates import StepCounts

REGISTERED = "window rates, first and last third"
PUBLISHED = "cumulative rates, first and last third"
Split = Callable[[int], int]
"""Number of checkpoints -> how many are early, and as many late."""


@dataclass(frozen=True)
class MetaLearning:
    """The score under every definition, in rate units (each rate lies in [0, 1])."""

    registered: float | Undefined
    """on window rates, thirds: the only one that a verdict may use"""
    alternatives: dict[str, float | Undefined]
    """definition -> score; ``PUBLISHED`` is that of seeds/000's code, without its zeros"""

    @property
    def sign_agrees(self) -> bool | Undefined:
        """Whether all definitions that give a score give its sign."""
        known = [v for v in self.alternatives.values() if not isinstance(v, Undefined)]
        if isinstance(self.registered, Undefined):
            return self.registered
        return len({np.sign(v) for v in (*known, self.registered)}) == 1


def meta_learning(windows: Sequence[StepCounts], cumulative: Sequence[StepCounts]) -> MetaLearning:
    """(late - early improvement) + (early - late forgetting) under every definition.

    Registered: mean window rates of the first and last ⌊K/3⌋ of K checkpoints. Beside it: halves,
    first and last checkpoint, thirds with the counts of their windows pooled, and each on
    cumulative rates. All are undefined, with the reason, for fewer than 3 checkpoints or a set
    under 5 items. Source: seeds/000; science.md, section 1.

    >>> w = [StepCounts(10, 1, 4, 1, 4), StepCounts(20, 2, 4, 1, 4), StepCounts(30, 3, 4, 0, 4)]
    >>> c = [StepCounts(10, 1, 4, 1, 4), StepCounts(20, 3, 8, 2, 8), StepCounts(30, 6, 12, 2, 12)]
    >>> m = meta_learning(w, c)
    >>> m.registered, round(m.alternatives[PUBLISHED], 3)
    (0.75, 0.333)
    """
    found: dict[str, float | Undefined] = {}
    for kind, table in (("window", list(windows)), ("cumulative", list(cumulative))):
        rates = [row.loop_rates() for row in table]
        found[f"{kind} rates, first and last third"] = meta_learning_score(rates)
        found[f"{kind} rates, halves"] = _between(rates, lambda count: count // 2)
        found[f"{kind} rates, first and last checkpoint"] = _between(rates, lambda _: 1)
        if kind == "window":
            found["window counts, pooled over each third"] = _between(_thirds(table), lambda _: 1)
    return MetaLearning(found.pop(REGISTERED), found)


def _between(rates: Sequence[LoopRates], split: Split) -> float | Undefined:
    """The score with ``split`` of the checkpoints early and as many late."""
    smallest = min((rate.n_items for rate in rates), default=0)
    if len(rates) < MIN_CHECKPOINTS:
        return Undefined(f"{len(rates)} checkpoints, at least {MIN_CHECKPOINTS} are needed")
    if smallest < MIN_WINDOW_ITEMS:
        return Undefined(f"a set of {smallest} items, at least {MIN_WINDOW_ITEMS} are needed")
    part = split(len(rates))
    means: list[float] = []
    for name in ("improvement", "forgetting"):
        for chosen in (rates[:part], rates[-part:]):
            known = [v for r in chosen if not isinstance(v := getattr(r, name), Undefined)]
            if not known:
                return Undefined(f"no {name} rate is defined at one end")
            means.append(float(np.mean(known)))
    early_gain, late_gain, early_loss, late_loss = means
    return late_gain - early_gain + early_loss - late_loss


def _thirds(table: Sequence[StepCounts]) -> list[LoopRates]:
    """Rates of the first third, the middle and the last third, counts pooled within each."""
    third = len(table) // 3
    if not third:
        return [row.loop_rates() for row in table]
    parts = (table[:third], table[third:-third], table[-third:])
    pooled = [
        StepCounts(
            part[-1].step,
            sum(row.improved for row in part),
            sum(row.wrong for row in part),
            sum(row.forgotten for row in part),
            sum(row.right for row in part),
        )
        for part in parts
    ]
    return [row.loop_rates() for row in pooled]
