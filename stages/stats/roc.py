"""ROC curves of invalidation indicators: points, AUC with DeLong's interval, paired comparison.

An indicator gives each case (an episode, a session) a ``score``; a higher one says 'stale'.
``stale`` is the truth, 1 or 0. AUC is the probability that a stale case scores above a sound one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from stages.stats.intervals import Estimate, Undefined, tango_ends, wilson, z_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Roc:
    """The ROC curve's corners, from 'never' to 'always'."""

    threshold: Floats
    """a case is called stale at a score ≥ this (P); inf first"""
    false_alarms: Floats
    """share of sound cases called stale (P)"""
    detections: Floats
    """share of stale cases called stale (P)"""


@dataclass(frozen=True)
class AucComparison:
    """Two indicators on the same cases."""

    first: Estimate
    """AUC of the first"""
    second: Estimate
    """AUC of the second"""
    difference: Estimate
    """first - second, paired"""
    p: float
    """two-sided p-value of no difference"""


def checked_cases(score: ArrayLike, stale: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    scores, truth = np.asarray(score, dtype=float), np.asarray(stale, dtype=float)
    if scores.ndim != 1 or scores.shape != truth.shape:
        raise ValueError(
            f"{scores.shape} scores for {truth.shape} cases: give one score and one truth per case."
        )
    if np.isnan(scores).any() or not np.isin(truth, (0, 1)).all():
        raise ValueError("A score is NaN or a truth is not 0 or 1. Leave unmeasured cases out.")
    return scores, truth == 1


def one_class(stale: NDArray[np.bool_]) -> Undefined | None:
    if stale.size == 0 or stale.all() or not stale.any():
        return Undefined(
            f"{int(stale.sum())} stale of {stale.size} cases: an ROC curve needs both kinds"
        )
    return None


def roc_curve(score: ArrayLike, stale: ArrayLike) -> Roc | Undefined:
    """All points of the ROC curve; tied scores make one point. Undefined with one kind of case.

    Reference: Fawcett (2006), Pattern Recognition Letters 27; scikit-learn's ``roc_curve``.

    >>> roc_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]).detections.tolist()
    [0.0, 0.5, 0.5, 1.0, 1.0]
    """
    scores, truth = checked_cases(score, stale)
    missing = one_class(truth)
    if missing is not None:
        return missing
    from sklearn import metrics

    false, true, threshold = metrics.roc_curve(truth, scores, drop_intermediate=False)
    return Roc(threshold, false, true)


def placements(score: Floats, stale: NDArray[np.bool_]) -> Floats:
    """DeLong's structural components, one per case (N).

    Of a stale case the share of sound cases below it, of a sound case the share of stale ones above
    it, ties half. By midranks in O(n log n): Sun & Xu (2014), IEEE Signal Processing Letters 21.
    """
    own = np.empty(score.size)
    for group in (stale, ~stale):
        own[group] = stats.rankdata(score[group])
    below = stats.rankdata(score) - own
    return np.where(stale, below / np.sum(~stale), 1 - below / np.sum(stale))


def component_variance(
    components: Floats, stale: NDArray[np.bool_], clusters: Sequence[Hashable] | None
) -> float:
    """Variance of the mean of the components: DeLong's, or Obuchowski's over clusters."""
    if clusters is None:
        groups = (components[stale], components[~stale])
        return sum(float(g.var(ddof=1)) / g.size if g.size > 1 else math.inf for g in groups)
    numbers = {label: i for i, label in enumerate(dict.fromkeys(clusters))}
    member = np.array([numbers[label] for label in clusters])
    if member.size != stale.size:
        raise ValueError(f"{member.size} cluster labels for {stale.size} cases; give one each.")
    mean = components[stale].mean()
    influence = np.where(stale, 1 / stale.sum(), 1 / (~stale).sum()) * (components - mean)
    sums = np.bincount(member, influence)
    return float(sums.size / (sums.size - 1) * np.sum(sums**2)) if sums.size > 1 else math.inf


def fewest(stale: NDArray[np.bool_]) -> int:
    return int(min(stale.sum(), (~stale).sum()))


def auc(
    score: ArrayLike,
    stale: ArrayLike,
    alpha: float = 0.05,
    clusters: Sequence[Hashable] | None = None,
) -> Estimate | Undefined:
    """AUC with DeLong's interval, taken on the logit scale so that it stays within [0, 1].

    ``clusters`` names the task or world of each case; cases of one cluster may then depend on each
    other (Obuchowski's variance). Perfect separation leaves no variance: the interval is then
    Wilson's with n the rarer kind's number, never a point. ``n`` counts the rarer kind. Undefined
    with one kind of case; one case of a kind, or one cluster, has the interval [0, 1].

    References: DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44; Obuchowski (1997), Biometrics
    53; Pepe (2003), Statistical Evaluation of Medical Tests, §5.2.5, on the logit.

    >>> e = auc([0.1, 0.4, 0.35, 0.8, 0.7, 0.2], [0, 0, 1, 1, 1, 0])
    >>> round(e.value, 3), e.n
    (0.889, 3)
    """
    z = z_quantile(alpha)
    scores, truth = checked_cases(score, stale)
    missing = one_class(truth)
    if missing is not None:
        return missing
    components = placements(scores, truth)
    value = float(components[truth].mean())
    variance = component_variance(components, truth, clusters)
    n = fewest(truth)
    if math.isinf(variance):
        return Estimate(value, 0.0, 1.0, n, "case", alpha)
    if variance < 1e-18 or not 0 < value < 1:
        wide = wilson(min(max(value, 0.0), 1.0) * n, n, alpha)
        return Estimate(value, min(wide.lo, value), max(wide.hi, value), n, "case", alpha)
    half = z * math.sqrt(variance) / (value * (1 - value))
    lo, hi = (float(special.expit(special.logit(value) + h)) for h in (-half, half))
    return Estimate(value, min(lo, value), max(hi, value), n, "case", alpha)


def compare_auc(
    first: ArrayLike,
    second: ArrayLike,
    stale: ArrayLike,
    alpha: float = 0.05,
    clusters: Sequence[Hashable] | None = None,
) -> AucComparison | Undefined:
    """AUC of two indicators on the same cases, and their paired difference with interval and p.

    DeLong's covariance, or Obuchowski's over ``clusters``. Where the difference has no variance
    (one ranking given twice) its interval is Tango's at the rarer kind's number and p is 1, or 0
    for a difference without variance that is not 0. Undefined with one kind of case.

    References: as ``auc``; DeLong et al. (1988), eq. 5.

    >>> c = compare_auc([1, 2, 3, 4, 5, 6], [1, 4, 2, 5, 3, 6], [0, 0, 0, 1, 1, 1])
    >>> round(c.difference.value, 3), c.first.value
    (0.111, 1.0)
    """
    z = z_quantile(alpha)
    (scores, truth), (others, _) = checked_cases(first, stale), checked_cases(second, stale)
    of_first, of_second = auc(first, stale, alpha, clusters), auc(second, stale, alpha, clusters)
    if isinstance(of_first, Undefined) or isinstance(of_second, Undefined):
        return of_first if isinstance(of_first, Undefined) else Undefined(str(of_second))
    components = placements(scores, truth) - placements(others, truth)
    value, n = of_first.value - of_second.value, fewest(truth)
    variance = component_variance(components, truth, clusters)
    if variance < 1e-18:
        lo, hi = tango_ends(max(value, 0) * n, max(-value, 0) * n, n, z)
        p = 1.0 if abs(value) < 1e-12 else 0.0
    else:
        half = min(z * math.sqrt(variance), 2.0)
        lo, hi = max(-1.0, value - half), min(1.0, value + half)
        p = float(2 * special.ndtr(-abs(value) / math.sqrt(variance)))
    difference = Estimate(value, min(lo, value), max(hi, value), n, "case", alpha)
    return AucComparison(of_first, of_second, difference, p)
