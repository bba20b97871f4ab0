"""The ratio of two paired means, with Fieller's interval found by inverting the house's own test.

A ratio ρ is in the interval if the mean of numerator - ρ·denominator, over the same cells of
tasks × runs, is not told apart from 0 by the score test of ``clusters.clustered_difference``.
Pairing, both kinds of clusters and samples without spread are then treated as they are there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.clusters import (
    Cells,
    clustered_difference,
    critical_value,
    effective_size,
    two_way_variance,
)
from stages.stats.intervals import Estimate, Undefined, tango_statistic

FARTHEST = 1e4
BISECTIONS = 24
STEP = 0.01


def clustered_ratio(
    numerator: ArrayLike,
    denominator: ArrayLike,
    alpha: float = 0.05,
    unit: str = "task",
    bounds: tuple[float, float] = (1.0, 1.0),
) -> Estimate | Undefined:
    """mean(numerator) / mean(denominator) over the cells (T × R) that both have.

    ``bounds`` are the largest values possible of either. Undefined where the denominator's own
    1 - α interval isn't above 0, or Fieller's set has no end: the ratio may then be anything. As a
    point is in the set or not by a test whose critical value grows as α falls, a smaller α never
    gives a narrower interval.

    References: Fieller (1954), J. Royal Statistical Society B 16; Tango (1998), Statistics in
    Medicine 17; Cameron, Gelbach & Miller (2011), J. Business & Economic Statistics 29.

    >>> kept, full = [[0.8], [0.7], [0.9], [0.8]] * 5, [[1.0], [0.9], [1.0], [0.9]] * 5
    >>> r = clustered_ratio(kept, full)
    >>> round(r.value, 3), r.n, r.lo < 0.842 < r.hi
    (0.842, 20, True)
    """
    top, below = paired_cells(numerator, denominator)
    if np.isnan(top).all():
        return Undefined("numerator and denominator have no cell in common")
    floor = clustered_difference(below, alpha, unit, bounds[1])
    if floor.lo <= 0:
        return Undefined(
            f"the ratio's denominator isn't above 0: {floor.value:.3f}, from {floor.lo:.3f} to "
            f"{floor.hi:.3f}"
        )
    value = float(np.nanmean(top) / np.nanmean(below))

    def inside(ratio: float) -> bool:
        return not_told_apart(top - ratio * below, bounds[0] + abs(ratio) * bounds[1], alpha)

    lo, hi = _end(inside, value, -1.0), _end(inside, value, 1.0)
    if lo is None or hi is None:
        return Undefined("the ratio's interval has no end: the denominator is too near 0")
    return Estimate(value, lo, hi, floor.n, unit, alpha)


def paired_cells(numerator: ArrayLike, denominator: ArrayLike) -> tuple[Cells, Cells]:
    """Both as T × R, NaN where either is; ValueError for shapes that differ."""
    top, below = (np.asarray(cells, dtype=float) for cells in (numerator, denominator))
    if top.shape != below.shape or top.ndim > 2:
        raise ValueError(
            f"A ratio of cells of shapes {top.shape} and {below.shape}: give both as tasks × runs."
        )
    top, below = (cells[:, None] if cells.ndim == 1 else cells for cells in (top, below))
    missing = np.isnan(top) | np.isnan(below)
    return np.where(missing, np.nan, top), np.where(missing, np.nan, below)


def not_told_apart(cells: Cells, bound: float, alpha: float) -> bool:
    """Whether ``clustered_difference`` of these cells (T × R, within ± bound) holds 0."""
    seen = ~np.isnan(cells)
    matrix = cells[seen.any(axis=1)][:, seen.any(axis=0)] / bound
    spread = two_way_variance(matrix)
    gain = float(np.nanmean(np.maximum(matrix, 0)))
    loss = float(np.nanmean(np.maximum(-matrix, 0)))
    size = effective_size(matrix, spread, gain + loss - spread.mean**2)
    critical = critical_value(alpha, spread.df if len(matrix) > 1 else math.inf)
    return abs(float(tango_statistic(gain * size, loss * size, size, 0.0))) <= critical


def _end(inside: Callable[[float], bool], value: float, way: float) -> float | None:
    """Where the set that holds ``value`` ends in one direction; None if it goes on and on."""
    near, step = value, STEP * max(abs(value), STEP)
    far = value + way * step
    while inside(far):
        step *= 2
        near, far = far, far + way * step
        if step > FARTHEST:
            return None
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        near, far = (middle, far) if inside(middle) else (near, middle)
    return far  # just outside, so that the interval is never too short
