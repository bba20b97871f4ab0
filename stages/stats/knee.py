"""The knee of a curve: where more pairs, memory or rank stop paying.

Two methods side by side: two straight pieces fitted by exact least squares, with an interval for
the breakpoint and a comparison with one line; and Kneedle, which names a level and never doubts it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.curves import (
    Curve,
    Floats,
    aicc,
    checked_curve,
    projector,
    residual_draws,
    residual_squares,
    rounding_floor,
)
from stages.stats.intervals import Estimate, Undefined, z_quantile

CLEARLY_BETTER = 2.0
"""AICc units: a model within two of the best one 'has substantial support' (Burnham & Anderson)"""


@dataclass(frozen=True)
class Knee:
    """Where a curve bends, by both methods."""

    at: Estimate | Undefined
    """breakpoint in the unit of x, or 'no knee' with the reason"""
    slope_before: float | Undefined
    """change of y per unit of x (per unit of ln x if ``log``) before the breakpoint"""
    slope_after: float | Undefined
    """the same after it"""
    aicc_gain: float | Undefined
    """AICc of one line - AICc of two pieces; a knee needs at least 2"""
    kneedle: float | Undefined
    """level that Kneedle names on the mean curve, in the unit of x"""


def find_knee(
    x: ArrayLike,
    cells: ArrayLike,
    improves: str = "up",
    log: bool = False,
    alpha: float = 0.05,
    resamples: int = 1000,
    seed: int = 0,
) -> Knee:
    """Knee of ``cells`` (replicates × levels) over ``x`` (levels), with its interval.

    y = b_r + s₁·x + (s₂ - s₁)·max(0, x - ψ): each replicate (seed, world) has a level b_r of its
    own, all share the breakpoint ψ, which has at least two levels on either side (itself counted).
    'no knee' (``Undefined``) where one line's AICc is not at least 2 worse, where the curve
    does not improve before ψ, or improves faster after it. ``improves`` is 'up' (retention) or
    'down' (loss); ``log`` fits against ln x, for levels that grow by factors.
    The interval is the residual bootstrap's percentile interval of ψ; it assumes errors alike at
    all levels and independent within a replicate. It is conditional on there being a knee, and with
    five levels it often spans most of them: that is what five levels say.
    ValueError for levels that are not K distinct numbers (above 0 if ``log``).

    References: Hudson (1966), JASA 61, on exact fits; Muggeo (2003), Statistics in Medicine 22;
    Hurvich & Tsai (1989), Biometrika 76, on AICc.

    >>> y = [0.1, 0.3, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7]
    >>> knee = find_knee([1, 2, 3, 4, 5, 6, 7, 8], y)
    >>> round(knee.at.value, 6), round(knee.slope_before, 6), knee.kneedle
    (4.0, 0.2, 4.0)
    >>> print(find_knee([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]).at)
    undefined: no knee: one line fits as well (AICc gain -28.0, 2 needed)
    """
    if improves not in ("up", "down"):
        raise ValueError(f"improves is {improves!r}; a curve improves 'up' or 'down'.")
    z_quantile(alpha)
    curve = checked_curve(x, cells)
    if log and curve.x.min() <= 0:
        raise ValueError(f"log: level {curve.x.min():g} has no logarithm. Leave it out, or log.")
    by_kneedle = kneedle(curve.levels, curve.means, improves)
    fitted_on = Curve(np.log(curve.x), curve.y, curve.replicate) if log else curve
    if fitted_on.levels.size < 4:
        none = Undefined(f"no knee: {fitted_on.levels.size} levels, two pieces need at least 4")
        return Knee(none, none, none, none, by_kneedle)
    sign = 1.0 if improves == "up" else -1.0
    return _segmented(fitted_on, sign, log, alpha, resamples, seed, by_kneedle)


def knee_estimand(
    x: ArrayLike, cells: ArrayLike, log: bool = False, resamples: int = 1000, seed: int = 0
) -> Callable[[float], Estimate | Undefined]:
    """α → ``find_knee``'s breakpoint with its interval, the draws made once for all α.

    Whether there is a knee doesn't depend on α, and quantiles of the same draws never narrow as α
    falls. Arguments and ValueError as ``find_knee``, for a curve that improves upwards.

    >>> knee_estimand([1, 2, 3, 4, 5, 6, 7, 8], [0.1, 0.3, 0.5, 0.7, 0.7, 0.7, 0.7, 0.7])(0.05).n
    1
    """
    found = find_knee(x, cells, log=log, resamples=1, seed=seed).at
    if isinstance(found, Undefined):
        return lambda alpha: found
    curve = checked_curve(x, cells)
    curve = Curve(np.log(curve.x), curve.y, curve.replicate) if log else curve
    at = float(np.log(found.value)) if log else found.value
    design, replicates = two_pieces(curve, at), int(curve.replicate.max()) + 1
    fitted = design @ np.linalg.lstsq(design, curve.y, rcond=None)[0]
    rng = np.random.default_rng(seed)
    drawn = breakpoints(curve, residual_draws(fitted, curve.y, replicates + 3, resamples, rng))
    return lambda alpha: _interval(at, drawn, log, replicates, alpha)


def _segmented(
    curve: Curve,
    sign: float,
    log: bool,
    alpha: float,
    resamples: int,
    seed: int,
    by_kneedle: float | Undefined,
) -> Knee:
    n, replicates = curve.y.size, int(curve.replicate.max()) + 1
    at = float(breakpoints(curve, curve.y[None, :])[0])
    design = two_pieces(curve, at)
    coefficients = np.linalg.lstsq(design, curve.y, rcond=None)[0]
    before, after = float(coefficients[-2]), float(coefficients[-2] + coefficients[-1])
    floor, one = rounding_floor(curve.y), design[:, :-1]
    rss = [float(residual_squares(projector(d), curve.y[None, :])[0]) for d in (one, design)]
    # Replicates' levels, slopes, breakpoint and the error's variance.
    line, pieces = (
        aicc(value, n, replicates + extra, floor) for value, extra in zip(rss, (2, 4), strict=True)
    )
    if isinstance(line, Undefined) or isinstance(pieces, Undefined):
        none = Undefined(f"no knee: {pieces}")
        return Knee(none, before, after, none, by_kneedle)
    gain = line - pieces
    where = _reason(gain, sign * before, sign * after)
    if where is None:
        rng = np.random.default_rng(seed)
        draws = residual_draws(design @ coefficients, curve.y, replicates + 3, resamples, rng)
        where = _interval(at, breakpoints(curve, draws), log, replicates, alpha)
    return Knee(where, before, after, gain, by_kneedle)


def _reason(gain: float, before: float, after: float) -> Undefined | None:
    if gain < CLEARLY_BETTER:
        return Undefined(f"no knee: one line fits as well (AICc gain {gain:.1f}, 2 needed)")
    if before <= 0:
        return Undefined("no knee: the curve does not improve before its break")
    if after >= before:
        return Undefined("no knee: the curve improves faster after its break")
    return None


def _interval(at: float, draws: Floats, log: bool, replicates: int, alpha: float) -> Estimate:
    ends = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    lo, hi = min(float(ends[0]), at), max(float(ends[1]), at)
    lo, at, hi = (float(np.exp(v)) if log else v for v in (lo, at, hi))
    return Estimate(at, min(lo, at), max(hi, at), replicates, "replicate", alpha)


def replicate_levels(curve: Curve) -> Floats:
    """Indicator of each point's replicate (N × R)."""
    return (curve.replicate[:, None] == np.arange(curve.replicate.max() + 1)).astype(float)


def two_pieces(curve: Curve, at: float) -> Floats:
    """Design N × (R + 2): replicates' levels, x, and max(0, x - at)."""
    bend = np.maximum(curve.x - at, 0.0)
    return np.column_stack([replicate_levels(curve), curve.x, bend])


def breakpoints(curve: Curve, y_BN: Floats) -> Floats:
    """Least-squares breakpoint (B) of every row of ``y_BN`` (B × N), by Hudson's exact search.

    The optimum is at an inner level, or between two levels where the two sides' own lines meet.
    """
    levels = curve.levels
    best, where = np.full(len(y_BN), np.inf), np.full(len(y_BN), levels[1])
    for level in levels[1:-1]:
        rss = residual_squares(projector(two_pieces(curve, level)), y_BN)
        better = rss < best
        best, where = np.where(better, rss, best), np.where(better, level, where)
    for left, right in pairwise(levels[1:-1]):
        above = (curve.x > left).astype(float)
        own = np.column_stack([replicate_levels(curve), curve.x, above, above * curve.x])
        solution = np.linalg.pinv(own) @ y_BN.T
        step, turn = solution[-2], solution[-1]
        flat = np.abs(turn) < 1e-12
        meet = np.where(flat, np.nan, -step / np.where(flat, 1.0, turn))
        rss = residual_squares(projector(own), y_BN)
        better = (meet > left) & (meet < right) & (rss < best)
        best, where = np.where(better, rss, best), np.where(better, meet, where)
    return where


def kneedle(
    x: ArrayLike, y: ArrayLike, improves: str = "up", sensitivity: float = 1.0
) -> float | Undefined:
    """Kneedle's level on one curve that improves with diminishing returns, in the unit of x.

    x and y (K each) are scaled to [0, 1] (y turned over for 'down'); a local maximum of y - x is a
    knee if the difference then falls below it by ``sensitivity`` times the mean spacing of x
    before it reaches another maximum. The first knee is given. The paper's smoothing spline is left
    out: at five levels it would smooth the knee away.
    Reference: Satopää, Albrecht, Irwin & Raghavan (2011), ICDCS Workshops, §III.

    >>> kneedle([0, 1, 2, 3, 4], [0.0, 0.8, 0.9, 0.95, 1.0])
    1.0
    """
    levels, values = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if levels.size < 3 or np.ptp(values) == 0:
        return Undefined("no knee: Kneedle needs three levels and a curve that moves")
    across = (levels - levels.min()) / np.ptp(levels)
    up = (values - values.min()) / np.ptp(values)
    difference = (up if improves == "up" else 1 - up) - across
    drop = sensitivity * float(np.mean(np.diff(across)))
    inner = range(1, levels.size - 1)
    tops = [i for i in inner if difference[i - 1] < difference[i] >= difference[i + 1]]
    for i, following in zip(tops, [*tops, levels.size][1:], strict=True):
        # The knee stands as soon as the curve has fallen below its threshold again.
        if difference[i] > 0 and (difference[i + 1 : following] < difference[i] - drop).any():
            return float(levels[i])
    return Undefined("no knee: no maximum of y - x stands out by Kneedle's threshold")
