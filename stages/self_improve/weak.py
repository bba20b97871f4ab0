"""Weak areas by interval: what a self-test of a few problems can say, and what it can't.

The report that l03 repeats called 'arithmetic' weak in all three generations because every
problem without a subject was given that label, and went by single counts of 20 problems.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

ALPHA = 0.05
FEWEST = 5
"""Fewest answers of a group that can show it weak: below, Wilson's interval covers too rarely (one
wrong answer of one would be enough where nine of ten are right elsewhere)."""


def wilson_upper(right: int, asked: int, alpha: float = ALPHA) -> float:
    """Upper end of the two-sided Wilson score interval of a rate (Wilson 1927).

    (p + z²/2n + z·√(p(1-p)/n + z²/4n²)) / (1 + z²/n). Raises ValueError without an answer, or for
    more right ones than were asked.

    >>> round(wilson_upper(0, 20), 3), round(wilson_upper(4, 20), 3)
    (0.161, 0.416)
    """
    if not 0 <= right <= asked or asked < 1:
        raise ValueError(f"{right} right of {asked} asked: give at least one answer, and no more.")
    z = NormalDist().inv_cdf(1 - alpha / 2)
    rate, square = right / asked, z * z / asked
    spread = z * math.sqrt(rate * (1 - rate) / asked + square / (4 * asked))
    return (rate + square / 2 + spread) / (1 + square)


def weak_groups(outcomes: Iterable[tuple[str, bool]], alpha: float = ALPHA) -> tuple[str, ...]:
    """Groups whose rate is below the overall one with its whole interval, weakest bound first.

    ``outcomes`` are (group, right) of a self-test's answers, one per problem. The error rate is
    ``alpha`` over all groups (Bonferroni), so ten groups of equal skill don't yield a weak one
    every other time. None is weak when nothing shows it: the caller then has no target and must
    say so. Raises ValueError for an answer without a group: a label that stands for 'unknown'
    would come out as the weakest subject of all.
    """
    asked: dict[str, int] = {}
    right: dict[str, int] = {}
    for group, correct in outcomes:
        if not group.strip():
            raise ValueError(
                "a self-test's problem has no group, so no weak area can be told from it. Give "
                "every item of the source its subject or type; there is no default."
            )
        asked[group] = asked.get(group, 0) + 1
        right[group] = right.get(group, 0) + bool(correct)
    overall = sum(right.values()) / max(1, sum(asked.values()))
    bounds = {g: wilson_upper(right[g], asked[g], alpha / len(asked)) for g in asked}
    weak = [g for g, bound in bounds.items() if asked[g] >= FEWEST and bound < overall]
    return tuple(sorted(weak, key=lambda group: (bounds[group], group)))
