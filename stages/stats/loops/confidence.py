"""Confidence against being right: reliability diagram, ECE, Brier, and the gap of the means.

Mean confidence is not calibration: it can rise, or equal the accuracy, while every single
confidence is wrong. ``stages.stats.calibration`` computes ECE and Brier; here are the rows of the
diagram and what a report that gives only means still implies.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.calibration import BINS, Calibration, calibration
from stages.stats.clusters import critical_value
from stages.stats.intervals import Estimate, Undefined, wilson, wilson_ends
from stages.stats.loops.changes import mover


@dataclass(frozen=True)
class Bin:
    """One bar of the reliability diagram."""

    low: float
    """confidences above this (the first bin holds 0 too)"""
    high: float
    """and up to this"""
    answers: int
    """answers in the bin"""
    confidence: float | Undefined
    """their mean confidence"""
    accuracy: Estimate | Undefined
    """share right, interval over items"""


@dataclass(frozen=True)
class Confidence:
    """Everything said about one kind of confidence at one checkpoint."""

    calibration: Calibration
    """ECE and Brier score with intervals, accuracy, and the mean confidence"""
    gap: Estimate
    """mean confidence - accuracy, in [-1, 1]; above 0 overconfident. ∣gap∣ ≤ ECE"""
    bins: tuple[Bin, ...]
    """the reliability diagram, ten bars"""


def confidence_report(
    confidence: ArrayLike,
    correct: ArrayLike,
    items: Sequence[Hashable],
    alpha: float = 0.05,
    resamples: int = 2000,
    seed: int = 0,
) -> Confidence:
    """Report of N answers: confidence in [0, 1], correct 0 or 1, and the item of each answer.

    All intervals take items as the unit; the samples of an item stay together. References: DeGroot
    & Fienberg (1983), The Statistician 32 (reliability diagram); Guo et al. (2017), ICML.

    >>> c = confidence_report([0.95, 0.95, 0.55, 0.55], [1, 0, 1, 0], ["a", "b", "c", "d"])
    >>> round(c.calibration.ece.value, 3), round(c.gap.value, 3), c.bins[9].answers
    (0.25, 0.25, 2)
    """
    found = calibration(confidence, correct, alpha, items, resamples, seed)
    stated, right = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    number = np.clip(np.ceil(stated * BINS).astype(int) - 1, 0, BINS - 1)
    bins = tuple(_bin(m, stated, right, items, number == m, alpha) for m in range(BINS))
    return Confidence(found, _gap(stated - right, items, found, alpha), bins)


def _bin(
    m: int,
    stated: np.ndarray,
    right: np.ndarray,
    items: Sequence[Hashable],
    inside: np.ndarray,
    alpha: float,
) -> Bin:
    ends = m / BINS, (m + 1) / BINS
    if not inside.any():
        none = Undefined("no answer has such a confidence")
        return Bin(*ends, 0, none, none)
    own = [item for item, keep in zip(items, inside, strict=True) if keep]
    mean = float(stated[inside].mean())
    return Bin(*ends, int(inside.sum()), mean, _share(right[inside], own, alpha))


def _share(right: np.ndarray, items: Sequence[Hashable], alpha: float) -> Estimate:
    """Mean of N answers of 0 or 1 with Wilson's interval at the size that their items are worth."""
    value, variance, count = _spread(right, items)
    size = float(count)
    if variance > 0:
        size = min(max(value * (1 - value) / variance, 1.0), float(right.size))
    df = count - 1.0 if count > 1 else np.inf
    return Estimate(
        value, *wilson_ends(value, size, critical_value(alpha, df)), count, "item", alpha
    )


def _gap(
    differences: np.ndarray, items: Sequence[Hashable], found: Calibration, alpha: float
) -> Estimate:
    """Mean difference with a t interval over items; that of the accuracy where none varies."""
    value, variance, count = _spread(differences, items)
    if variance == 0:
        published = published_confidence(
            found.mean_confidence, found.accuracy * count, count, alpha
        )
        return Estimate(value, published.gap.lo, published.gap.hi, count, "item", alpha)
    half = critical_value(alpha, count - 1.0) * float(np.sqrt(variance))
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), count, "item", alpha)


def _spread(values: np.ndarray, items: Sequence[Hashable]) -> tuple[float, float, int]:
    """(mean, its variance by items, items): G/(G-1) · Σ(sum of an item's residuals)²/N².

    The one-way form of ``clusters.two_way_variance``: samples of an item have no common run.
    """
    index = {item: i for i, item in enumerate(dict.fromkeys(items))}
    mean, count = float(values.mean()), len(index)
    sums = np.zeros(count)
    np.add.at(sums, [index[item] for item in items], values - mean)
    if count < 2:
        return mean, 0.0, count
    variance = count / (count - 1) * float(np.sum(sums**2)) / values.size**2
    # Below 1e-18 the residuals are rounding error: the answers are constant.
    return mean, variance if variance > 1e-18 else 0.0, count


@dataclass(frozen=True)
class PublishedConfidence:
    """What a mean confidence and a count of right answers imply, and no more."""

    gap: Estimate
    """mean confidence - accuracy; interval from the accuracy alone"""
    least_ece: float
    """∣gap∣, below which the ECE cannot be: the bins' gaps add up to it"""


def published_confidence(
    mean_confidence: float, right: float, n: int, alpha: float = 0.05
) -> PublishedConfidence:
    """Bounds from a report's means. Reference: the triangle inequality on Guo et al.'s eq. 3.

    >>> p = published_confidence(0.91, 9, 20)
    >>> round(p.least_ece, 2), round(p.gap.lo, 2), round(p.gap.hi, 2)
    (0.46, 0.25, 0.65)
    """
    if not 0 <= mean_confidence <= 1:
        raise ValueError(
            f"A mean confidence of {mean_confidence} lies outside [0, 1]. Divide percentages by "
            "100."
        )
    accuracy = wilson(right, n, alpha, "problem")
    value = mean_confidence - accuracy.value
    ends = mean_confidence - accuracy.hi, mean_confidence - accuracy.lo
    return PublishedConfidence(Estimate(value, *ends, n, "problem", alpha), abs(value))


def gap_change(
    before: tuple[float, int, int], after: tuple[float, int, int], alpha: float = 0.05
) -> Estimate:
    """Change of the gap between two published (mean confidence, right, n); below 0 is better.

    >>> e = gap_change((0.83, 4, 20), (0.91, 9, 20))
    >>> round(e.value, 2), e.lo < 0 < e.hi
    (-0.17, True)
    """
    first, second = (published_confidence(*each, alpha).gap for each in (before, after))
    return mover(first, second)
