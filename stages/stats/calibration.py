"""Calibration of stated confidence: expected calibration error and Brier score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.stats.intervals import Estimate, wilson

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from being right, beside the mean confidence, which is not that."""

    ece: Estimate
    """expected calibration error, in [0, 1]"""
    brier: Estimate
    """Brier score, in [0, 1]; 0.25 for saying 0.5 always"""
    accuracy: float
    """share of right answers"""
    mean_confidence: float
    """mean stated confidence; not a measure of calibration"""


def calibration(
    confidence: ArrayLike,
    correct: ArrayLike,
    alpha: float = 0.05,
    clusters: Sequence[object] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Calibration:
    """ECE = Σ_m (|B_m|/n)·|acc(B_m) - conf(B_m)| over 10 bins; Brier = mean (conf - correct)².

    Bins are of equal width, ((m-1)/10, m/10], with 0 in the first. Intervals: percentile bootstrap
    over ``clusters`` (the task each answer belongs to; by default each answer its own). The
    bootstrap ECE leans upwards, since noise in a bin can only add to an absolute value: the
    interval is widened to hold the estimate, and its upper end is the careful one.
    ValueError if a confidence is outside [0, 1] or the lengths differ.

    References: Guo et al. (2017), ICML, eq. 3; Brier (1950), Monthly Weather Review 78.

    >>> c = calibration([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0])
    >>> round(c.ece.value, 3), round(c.brier.value, 3), c.accuracy, c.mean_confidence
    (0.1, 0.135, 0.75, 0.75)
    """
    conf, right = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if conf.ndim != 1 or conf.shape != right.shape or conf.size == 0:
        raise ValueError(
            f"{conf.shape} confidences for {right.shape} answers: give one per answer, at least 1."
        )
    if np.any((conf < 0) | (conf > 1) | np.isnan(conf)):
        raise ValueError("A confidence lies outside [0, 1]. Divide percentages by 100.")
    labels = list(range(len(conf))) if clusters is None else list(clusters)
    if len(labels) != len(conf):
        raise ValueError(f"{len(labels)} cluster labels for {len(conf)} answers; give one each.")
    index = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    member = np.array([index[label] for label in labels])
    rng = np.random.default_rng(seed)
    draws_BG = rng.multinomial(len(index), np.full(len(index), 1 / len(index)), size=resamples)
    weights_BN = draws_BG[:, member].astype(float)

    def interval(statistic: Callable[[Floats, Floats, Floats], Floats]) -> Estimate:
        value = float(statistic(conf, right, np.ones((1, len(conf))))[0])
        return bootstrap_interval(value, statistic(conf, right, weights_BN), len(index), alpha)

    ece, brier = interval(weighted_ece), interval(weighted_brier)
    return Calibration(ece, brier, float(right.mean()), float(conf.mean()))


def weighted_ece(conf: Floats, right: Floats, weights_BN: Floats) -> Floats:
    """ECE (B) of each weighting of the answers (B × N)."""
    bins = np.clip(np.ceil(conf * BINS).astype(int) - 1, 0, BINS - 1)
    gap_NM = np.zeros((len(conf), BINS))
    gap_NM[np.arange(len(conf)), bins] = right - conf
    return np.abs(weights_BN @ gap_NM).sum(axis=1) / weights_BN.sum(axis=1)


def weighted_brier(conf: Floats, right: Floats, weights_BN: Floats) -> Floats:
    """Brier score (B) of each weighting of the answers (B × N)."""
    return weights_BN @ (conf - right) ** 2 / weights_BN.sum(axis=1)


def bootstrap_interval(value: float, draws: Floats, n: int, alpha: float) -> Estimate:
    """Percentile interval in [0, 1]. Draws that never vary say nothing: then it is Wilson-wide.

    A mean of n values in [0, 1] varies at most as a rate does, so the Wilson interval of ``value``
    over n bounds it.
    """
    lo, hi = (float(end) for end in np.quantile(draws, [alpha / 2, 1 - alpha / 2]))
    if hi - lo < 1e-12:
        wide = wilson(value * n, n, alpha)
        lo, hi = wide.lo, wide.hi
    return Estimate(value, min(lo, value), max(hi, value), n, "answer", alpha)
