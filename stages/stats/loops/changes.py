"""Accuracy before and after, by problem type or generation, with the interval the design allows.

``cells`` are problems × runs (P × R, or P) of the share of a problem's samples that were right:
samples are nested in problems, and 80 samples of 10 problems are 10 problems.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.intervals import Estimate, wilson
from stages.stats.loops.seeds import fisher_p
from stages.stats.paired import mcnemar_exact

FELL, ROSE, INCONCLUSIVE = "fell", "rose", "inconclusive"
PROBLEM = "problem"


def mover(first: Estimate, second: Estimate) -> Estimate:
    """second - first of two independent rates, interval from their own (method of variance
    estimates recovery; Newcombe's hybrid score where both are Wilson's).

    d - √((p₂-l₂)² + (u₁-p₁)²), d + √((u₂-p₂)² + (p₁-l₁)²). n is the smaller one's.
    References: Newcombe (1998), Statistics in Medicine 17, method 10; Zou & Donner (2008),
    Statistics in Medicine 27.

    >>> e = mover(wilson(4, 20), wilson(9, 20))
    >>> round(e.value, 2), round(e.lo, 3), round(e.hi, 3)
    (0.25, -0.039, 0.49)
    """
    value = second.value - first.value
    below = math.hypot(second.value - second.lo, first.hi - first.value)
    above = math.hypot(second.hi - second.value, first.value - first.lo)
    return Estimate(
        value, value - below, value + above, min(first.n, second.n), first.unit, first.alpha
    )


@dataclass(frozen=True)
class PublishedChange:
    """A change of which only counts were published: its interval under both extremes."""

    before: int
    """samples right before"""
    after: int
    """samples right after"""
    change: float
    """after - before, a share"""
    if_independent: Estimate
    """interval if each sample were a problem of its own: too narrow"""
    if_copies: Estimate
    """interval if a problem's samples were copies: too wide. The truth lies between"""


def published_change(
    before: float, after: float, problems: int, samples: int = 1, alpha: float = 0.05
) -> PublishedChange:
    """A change between two published rates (shares) of ``problems`` × ``samples`` answers.

    Rates are rounded to the counts they must come from; ValueError if none fits within half of a
    tenth of a point. Problems are taken as unpaired, for lack of anything better.

    >>> c = published_change(0.300, 0.0, problems=10, samples=8)
    >>> c.before, c.after, c.if_independent.hi < 0, round(c.if_copies.hi, 3)
    (24, 0, True, 0.038)
    """
    n = problems * samples
    counts = [round(rate * n) for rate in (before, after)]
    for rate, count in zip((before, after), counts, strict=True):
        if abs(count / n - rate) > 0.0005 + 1e-9:
            raise ValueError(
                f"A rate of {rate} is no count of {n} answers ({problems} problems × {samples}): "
                f"the nearest is {count / n:.4f}. Check the number of problems and samples."
            )
    first, second = counts
    ends = [
        mover(*(wilson(count / n * size, size, alpha, PROBLEM) for count in counts))
        for size in (n, problems)
    ]
    return PublishedChange(first, second, (second - first) / n, *ends)


@dataclass(frozen=True)
class TypeChange:
    """What became of one problem type."""

    baseline: Estimate
    """rate before training, interval over problems"""
    now: Estimate
    """rate now"""
    change: Estimate
    """now - baseline, paired by problem"""
    below: bool
    """registered: the rate now lies below the baseline's interval"""
    reading: str
    """``FELL`` or ``ROSE`` if the change's whole interval says so, else ``INCONCLUSIVE``"""


def type_changes(
    baseline: Mapping[str, ArrayLike], now: Mapping[str, ArrayLike], alpha: float = 0.05
) -> dict[str, TypeChange]:
    """Each type's cells (P × R) before and now, the same problems and runs; by type.

    Intervals at 1 - α/T for T types, so that all hold together. 'No type below its baseline
    interval' is ``not any(t.below …)``; one that small samples leave open reads as inconclusive.
    ValueError if the types or their shapes differ. Source: issue on seeds/001, l02's criterion.

    >>> t = type_changes({"a": [1, 1, 0, 1]}, {"a": [0, 0, 0, 0]})["a"]
    >>> t.below, round(t.change.value, 2), t.reading
    (True, -0.75, 'inconclusive')
    """
    if not baseline or baseline.keys() != now.keys():
        odd = sorted(baseline.keys() ^ now.keys())
        raise ValueError(
            f"Types {odd} were measured at one time only. Probe the same types before and after."
        )
    level = alpha / len(baseline)
    found: dict[str, TypeChange] = {}
    for name in baseline:
        before, after = (np.asarray(each[name], dtype=float) for each in (baseline, now))
        if before.shape != after.shape:
            raise ValueError(
                f"Type {name!r} has cells of shape {before.shape} before and {after.shape} now. "
                "Pairing needs the same problems and runs."
            )
        rates = [clustered_proportion(cells, level, PROBLEM) for cells in (before, after)]
        change = clustered_difference(after - before, level, PROBLEM)
        reading = ROSE if change.lo > 0 else FELL if change.hi < 0 else INCONCLUSIVE
        below = rates[1].value < rates[0].lo
        found[name] = TypeChange(rates[0], rates[1], change, below, reading)
    return found


def worst_change(changes: Mapping[str, TypeChange]) -> Estimate:
    """The least change over the types, as one estimand: its ends are the least of the ends.

    Valid since the types' intervals hold together (Bonferroni in ``type_changes``).

    >>> found = type_changes({"a": [1] * 9, "b": [0] * 9}, {"a": [0] * 9, "b": [1] * 9})
    >>> worst = worst_change(found)
    >>> worst.value, worst.hi < 0
    (-1.0, True)
    """
    every = [change.change for change in changes.values()]
    ends = min(e.lo for e in every), min(e.hi for e in every)
    least = min(every, key=lambda e: e.value)
    return Estimate(least.value, *ends, least.n, least.unit, least.alpha * len(every))


@dataclass(frozen=True)
class Generation:
    """One generation of a loop on a test of n problems."""

    right: int
    """problems right"""
    n: int
    """problems asked"""
    accuracy: Estimate
    """right / n, Wilson interval"""
    change: Estimate | None
    """accuracy - the first generation's; None for the first"""
    p: float | None
    """p of 'no change since the first': Fisher's for fresh problems, exact McNemar's for the same;
    None for the first"""


def generations_fresh(right: Sequence[int], n: int, alpha: float = 0.05) -> list[Generation]:
    """Generations each tested on ``n`` fresh problems (as seeds/002 did), against the first.

    >>> rows = generations_fresh([4, 3, 9], n=20)
    >>> [round(row.accuracy.value, 2) for row in rows], round(rows[2].p, 2)
    ([0.2, 0.15, 0.45], 0.18)
    """
    rates = [wilson(count, n, alpha, PROBLEM) for count in right]
    rows = []
    for k, (count, rate) in enumerate(zip(right, rates, strict=True)):
        change = mover(rates[0], rate) if k else None
        p = fisher_p(right[0], n, count, n) if k else None
        rows.append(Generation(count, n, rate, change, p))
    return rows


def generations_fixed(correct: ArrayLike, alpha: float = 0.05) -> list[Generation]:
    """Generations on one fixed test, ``correct`` generations × problems of 0 or 1, paired.

    >>> rows = generations_fixed([[0] * 8 + [1] * 2, [1] * 8 + [1] * 2])
    >>> round(rows[1].change.value, 1), rows[1].p
    (0.8, 0.0078125)
    """
    answers = np.asarray(correct, dtype=float)
    if answers.ndim != 2 or not np.isin(answers, (0, 1)).all():
        raise ValueError(
            f"Answers of shape {answers.shape}: give generations × problems of 0 or 1, the same "
            "problems in every generation."
        )
    rows = []
    for k, row in enumerate(answers):
        change = clustered_difference(row - answers[0], alpha, PROBLEM) if k else None
        p = mcnemar_exact(answers[0], row).p if k else None
        rate = wilson(int(row.sum()), row.size, alpha, PROBLEM)
        rows.append(Generation(int(row.sum()), row.size, rate, change, p))
    return rows
